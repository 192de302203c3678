import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child } from './child.ts';

let folder: string;
let child: Child | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-child-'));
});
afterEach(async () => {
  await child?.stop();
  await rm(folder, { recursive: true });
});

async function started(source: string): Promise<Child> {
  const program = join(folder, 'program.mjs');
  await writeFile(program, source);
  const logFile = join(folder, 'log');
  await writeFile(logFile, 'from an earlier run\n');
  const environment = { PATH: '/usr/bin:/bin' };
  return new Child({ name: 'one', program, programArguments: [], environment, logFile, saysReady: true }).start();
}

describe('Child', () => {
  it('says at once what a program said that cannot be started', async () => {
    child = await started(`
      console.log(JSON.stringify({ msg: 'a line of its log' }));
      console.error('server: the database is too old');
      console.error('Take another one.');
      process.exitCode = 2;`);
    await expect(child.ready()).rejects.toMatchObject({
      message: 'server: the database is too old',
      fix: 'Take another one.',
    });
  });

  it('starts one again that fell over, until it is ready', async () => {
    child = await started(`
      import { existsSync, writeFileSync } from 'node:fs';
      const mark = ${JSON.stringify(join(folder, 'mark'))};
      if (existsSync(mark)) {
        process.send({ ready: {} });
        process.on('SIGTERM', () => process.exit());
        setInterval(() => {}, 1000);
      } else {
        writeFileSync(mark, '');
        process.exitCode = 1;
      }`);
    const deadline = Date.now() + 15_000;
    while (child.restarts === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    await child.ready();
    expect(child.restarts).toBe(1);
  });
});
