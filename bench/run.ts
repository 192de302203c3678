import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// `npm run bench -- <name> [options]`: runs bench/<name>.ts, which prints a table and, as its last line, one JSON object.

const folder = dirname(fileURLToPath(import.meta.url));
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length));
const name = process.argv[2] ?? '';
if (!names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- <name>, where <name> is one of: ${names.join(', ')}\n`);
  process.exit(2);
}
const { run } = (await import(pathToFileURL(`${folder}/${name}.bench.ts`).href)) as {
  run: (options: string[]) => Promise<void>;
};
await run(process.argv.slice(3));
process.exit();
