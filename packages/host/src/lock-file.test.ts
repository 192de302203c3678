import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@starling/shared/clock.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holderOf, lock, tryLock } from './lock-file.ts';
import { markOf } from './process-mark.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true }));

describe('a lock file', () => {
  it('has one holder at a time', async () => {
    const unlock = await tryLock(path);
    expect(unlock).toBeDefined();
    expect(await tryLock(path)).toBeUndefined();
    await unlock?.();
    expect(await readdir(folder)).toEqual([]);
    expect(await tryLock(path)).toBeDefined();
  });

  it('lets everyone in, one after another', async () => {
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const unlock = await lock(path, { clock: systemClock, timeoutMs: 15_000 });
        most = Math.max(most, ++inside);
        await systemClock.sleep(5);
        inside -= 1;
        await unlock();
      }),
    );
    expect(most).toBe(1);
  });

  it('is taken over from a process that is gone', async () => {
    const gone = spawnSync('true').pid;
    await writeFile(path, JSON.stringify({ ...markOf(process.pid), pid: gone }));
    expect(await tryLock(path)).toBeDefined();
    await writeFile(path, '{"half of a');
    expect(await tryLock(path)).toBeDefined();
  });

  it('says who has it', async () => {
    expect(await holderOf(path)).toBeUndefined();
    await tryLock(path);
    expect(await holderOf(path)).toEqual(markOf(process.pid));
  });

  it('of another host is left alone, or taken over by who knows that nobody else uses the folder', async () => {
    await writeFile(path, JSON.stringify({ ...markOf(process.pid), host: 'elsewhere', started: 'there:1' }));
    expect(await tryLock(path)).toBeUndefined();
    expect(await tryLock(path, { onOtherHosts: 'gone' })).toBeDefined();
  });

  it('gives up waiting after its time', async () => {
    await tryLock(path);
    await expect(lock(path, { clock: systemClock, timeoutMs: 150 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const stop = AbortSignal.abort(new Error('enough'));
    await expect(lock(path, { clock: systemClock, timeoutMs: 60_000, signal: stop })).rejects.toThrow('enough');
  });
});
