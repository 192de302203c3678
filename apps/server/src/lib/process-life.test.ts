import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';

// A real process that stops only when it is told to hurry.

const folder = mkdtempSync(join(tmpdir(), 'starling-life-'));
const program = join(folder, 'program.mjs');
writeFileSync(
  program,
  `import { untilStopped, sayReady } from ${JSON.stringify(new URL('./process-life.ts', import.meta.url).href)};
const log = { info: (text) => process.connected && process.send({ text }), error() {} };
setInterval(() => {}, 1000);
const [patience] = process.argv.slice(2).map(Number);
untilStopped(log, (hurry) => new Promise((resolve) => {
  if (hurry.aborted || patience === 0) resolve();
  hurry.addEventListener('abort', () => resolve());
}), patience);
sayReady({});`,
);
let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));
afterAll(() => rmSync(folder, { recursive: true }));

function start(patienceMs: number) {
  const started = fork(program, [String(patienceMs)], { execArgv: [] });
  child = started;
  const exit = new Promise<number | null>((resolve) => started.once('exit', resolve));
  const said = (text: string) =>
    new Promise<void>((resolve) => {
      started.on('message', (message) => {
        if (JSON.stringify(message).includes(text)) resolve();
      });
    });
  return { started, exit, said };
}

it('ends at the first signal when nothing is to be waited for', async () => {
  const { started, exit, said } = start(0);
  await said('ready');
  started.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('is patient at the first signal, and not at the second', async () => {
  const { started, exit, said } = start(60_000);
  await said('ready');
  const stopping = said('stopping: SIGTERM');
  started.kill('SIGTERM');
  await stopping;
  started.kill('SIGINT');
  expect(await exit).toBe(0);
});

it('is not patient when the parent is gone', async () => {
  const { started, exit, said } = start(60_000);
  await said('ready');
  started.disconnect();
  expect(await exit).toBe(0);
});
