import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// `npm test`: lint, types, then every test but the long ones. Ends with one line that counts them. Arguments go to vitest, and then only
// the tests run, for example: npm test -- --project unit apps/agent

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'starling-results-'));
const results = join(scratch, 'results.json');
const tools = join(root, 'node_modules');
const chosen = process.argv.slice(2);

function run(what: string, program: string, ...programArguments: string[]): boolean {
  process.stdout.write(`\n— ${what}\n`);
  const { status } = spawnSync(process.execPath, [join(tools, program), ...programArguments], {
    cwd: root,
    stdio: 'inherit',
  });
  return status === 0;
}

let failedChecks = 0;
if (chosen.length === 0) {
  const checks: [string, string, ...string[]][] = [
    ['format and lint', '@biomejs/biome/bin/biome', 'check', '.'],
    ['types', 'typescript/bin/tsc', '--noEmit'],
    ['types of the console', 'typescript/bin/tsc', '--noEmit', '-p', 'apps/desktop/tsconfig.json'],
  ];
  for (const [what, program, ...programArguments] of checks) {
    if (!run(what, program, ...programArguments)) failedChecks += 1;
  }
}
const passedAll = run(
  'tests',
  'vitest/vitest.mjs',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile=${results}`,
  ...(chosen.length === 0 ? ['--project', '!long'] : chosen),
);
if (chosen.length === 0) process.stdout.write('\nThe long tests are not among these: npm run test:long\n');

interface Results {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}
let counted: Results | undefined;
try {
  counted = JSON.parse(readFileSync(results, 'utf8')) as Results;
} catch {
  process.stderr.write('the tests ended without results\n');
}
rmSync(scratch, { recursive: true, force: true });

const passed = counted?.numPassedTests ?? 0;
// A file that could not even be loaded counts as a failed test, as does a failed check.
const unloaded =
  counted?.testResults.filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
    .length ?? 1;
const failed = (counted?.numFailedTests ?? 0) + unloaded + failedChecks;
const skipped = (counted?.numPendingTests ?? 0) + (counted?.numTodoTests ?? 0);
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(passedAll && failed === 0 && passed > 0 ? 0 : 1);
