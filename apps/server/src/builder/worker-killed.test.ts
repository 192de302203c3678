import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { markOf } from '@starling/host/process-mark.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openFolderStore } from '../blobs/folder-store.ts';
import { TestQueue } from './test-queue.ts';
import { recipeYaml, TestRepository } from './test-repository.ts';
import { startWorker } from './worker.ts';

it('clears away what a killed worker left: its recipe, its work folder, its lock', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-killed-'));
  const repository = new TestRepository(join(folder, 'repository'));
  const pidFile = join(folder, 'pid');
  // The leader of the group has ended by the time that the worker is killed; a grandchild goes on.
  const commitSha = repository.commit({
    'starling.yml': recipeYaml(`sh -c 'echo $$ > ${pidFile}; exec sleep 600' & wait`, 'out'),
  });
  const options = { name: 'worker-1', dataDir: join(folder, 'data'), pollMs: 50, heartbeatMs: 50, minFreeBytes: 0 };
  const script = `
    const at = (path) => import(${JSON.stringify(import.meta.dirname)} + path);
    const { startWorker } = await at('/worker.ts');
    const { TestQueue } = await at('/test-queue.ts');
    const { openFolderStore } = await at('/../blobs/folder-store.ts');
    const { systemClock } = await import('@starling/shared/clock.ts');
    const { pino } = await import('pino');
    const queue = new TestQueue();
    queue.add(${JSON.stringify({ repositoryUrl: repository.path, commitSha })});
    await startWorker({ ...${JSON.stringify(options)}, queue, blobs: openFolderStore(${JSON.stringify(join(folder, 'main'))}),
      clock: systemClock, log: pino({ level: 'silent' }), environment: { PATH: '/usr/bin:/bin' } });`;
  const killed = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  while (!existsSync(pidFile) || readFileSync(pidFile, 'utf8') === '') await systemClock.sleep(20);
  const grandchild = Number(readFileSync(pidFile, 'utf8'));
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect(markOf(grandchild)).toBeDefined();
  expect(await readdir(join(folder, 'data/workers/worker-1/work'))).toEqual(['1-1']);

  const queue = new TestQueue();
  const signer = new Signer('manifest', generateSigningKey().privatePem);
  const worker = await startWorker({
    ...options,
    queue,
    blobs: openFolderStore(join(folder, 'main')),
    signer,
    trusted: new TrustedKeys('manifest', [signer.publicPem]),
    clock: systemClock,
    log: pino({ level: 'silent' }),
    environment: { PATH: '/usr/bin:/bin' },
  });
  while (markOf(grandchild)) await systemClock.sleep(20);
  expect(await readdir(join(folder, 'data/workers/worker-1/work'))).toEqual([]);
  expect(await readdir(join(folder, 'data/workers/worker-1/processes'))).toEqual([]);
  await worker.stop();
  await rm(folder, { recursive: true });
});
