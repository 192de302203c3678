import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { StarlingError } from '@starling/shared/errors.ts';

const run = promisify(execFile);
const desktop = fileURLToPath(new URL('../../desktop/', import.meta.url));
const shared = fileURLToPath(new URL('../../../packages/shared/src/', import.meta.url));
const vite = fileURLToPath(new URL('../../../node_modules/vite/bin/vite.js', import.meta.url));

/** Builds the console's pages for the browser unless they are built from these very sources. */
export async function buildConsole(environment: Record<string, string>, say: (line: string) => void): Promise<void> {
  const sources = await digestOf([
    join(desktop, 'src'),
    join(desktop, 'package.json'),
    join(desktop, 'vite.web.config.ts'),
    shared,
  ]);
  const stamp = join(desktop, 'out/web.sources');
  if (existsSync(join(desktop, 'out/web/index.html')) && (await readFile(stamp, 'utf8').catch(() => '')) === sources)
    return;
  say('Building the console …');
  try {
    const commandLine = [vite, 'build', '--config', 'vite.web.config.ts', '--logLevel', 'error'];
    await run(process.execPath, commandLine, {
      cwd: desktop,
      env: { ...environment, NODE_ENV: 'production' },
      timeout: 180_000,
      maxBuffer: 8 * 1024 * 1024,
    });
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new StarlingError('INTERNAL', `the console could not be built:\n${stderr?.trim() ?? String(cause)}`, {
      cause,
    });
  }
  await mkdir(join(desktop, 'out'), { recursive: true });
  await writeFile(stamp, sources);
}

/** A digest over the names and contents of all files at or below the paths. */
async function digestOf(paths: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const below = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined);
    const files = below
      ? below.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
      : [path];
    for (const file of files.sort())
      hash
        .update(file.slice(desktop.length))
        .update('\0')
        .update(await readFile(file));
  }
  return hash.digest('hex');
}
