// Builds the service into dist/: its code, its greeting, and a table of pre-computed data like many real services
// carry, the same on every machine that builds this commit.
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

const tableBytes = 12 * 1024 * 1024;
const commit = process.env.STARLING_COMMIT ?? 'unknown';

console.log(`building hello at ${commit.slice(0, 12)}`);
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/data', { recursive: true });
cpSync('service.mjs', 'dist/service.mjs');
cpSync('greeting.txt', 'dist/greeting.txt');
writeFileSync('dist/commit.txt', `${commit}\n`);

console.log(`computing the table (${tableBytes / 1024 / 1024} MiB)`);
const table = Buffer.alloc(tableBytes);
let block = createHash('sha256').update(commit).digest();
for (let offset = 0; offset < tableBytes; offset += block.length) {
  block.copy(table, offset);
  block = createHash('sha256').update(block).digest();
}
writeFileSync('dist/data/table.bin', table);
console.log('done');
