#!/usr/bin/env node
// Starling's sources are TypeScript that Node 24 runs as it is. Started by an older Node, this hands over to the
// Node 24 that the workspace installed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(main);
} else {
  const pinned = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));
  if (!existsSync(pinned)) {
    process.stderr.write(
      'starling needs Node 24 or later; run "npm start" or "npm ci" once in the clone to install it.\n',
    );
    process.exit(1);
  }
  const { status, signal } = spawnSync(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exit(signal ? 130 : (status ?? 1));
}
