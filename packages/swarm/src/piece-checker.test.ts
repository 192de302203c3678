import { hash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { PieceChecker } from './piece-checker.ts';
import { temporaryFolder, until } from './test-swarms.ts';

it('ends its threads at rest when what is under way is done, and begins anew with the next piece', async () => {
  const running = new Set<Worker>();
  const onWorker = (message: unknown) => {
    const { worker } = message as { worker: Worker };
    running.add(worker);
    worker.once('exit', () => running.delete(worker));
  };
  subscribe('worker_threads', onWorker);
  const checker = new PieceChecker();
  const file = await open(join(await temporaryFolder(), 'pack'), 'w+');
  onTestFinished(async () => {
    unsubscribe('worker_threads', onWorker);
    await checker.close();
    await file.close();
  });
  const bytes = new Uint8Array(new SharedArrayBuffer(100_000)).fill(7);
  const place = { fd: file.fd, position: 0, digest: hash('sha1', bytes) };

  const written = checker.write(bytes, place);
  checker.rest();
  expect(running.size).toBe(1);
  expect(await written).toBe(true);
  await until(() => running.size === 0);

  expect(await checker.look({ ...place, length: bytes.length })).toBe(true);
  expect(running.size).toBe(1);
  checker.rest();
  // One that comes at the same moment finds a thread too.
  expect(await checker.look({ ...place, length: 1 })).toBe(false);
  checker.rest();
  await until(() => running.size === 0);
});
