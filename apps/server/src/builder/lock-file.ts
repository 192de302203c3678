import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Clock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { isMissingFile } from '../blobs/disk-error.ts';
import { isRunning, markOf, type ProcessMark } from '../blobs/process-mark.ts';

// A lock between processes that a killed holder does not keep: the file says which process holds it, and whoever
// finds that process gone takes the lock over.

export type Unlock = () => Promise<void>;

/** Takes the lock, or returns undefined when a running process (this one included) holds it. */
export async function tryLock(path: string): Promise<Unlock | undefined> {
  const mark = await markOf(process.pid);
  const mine = JSON.stringify({ ...mark, nonce: randomBytes(8).toString('hex') });
  // A link appears with its content or not at all, so nobody reads half a lock.
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, mine);
  try {
    for (let tries = 0; tries < 3; tries += 1) {
      if (await linked(draft, path)) return () => unlock(path, mine);
      const theirs = await readFile(path, 'utf8').catch(() => undefined);
      if (theirs === undefined) continue;
      if (await isHeld(theirs)) return undefined;
      await removeStale(path, theirs);
    }
    return undefined;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Waits for the lock. TIMEOUT after `timeoutMs`; rejects with the signal's reason when aborted. */
export async function lock(
  path: string,
  { clock, timeoutMs, signal }: { clock: Clock; timeoutMs: number; signal?: AbortSignal },
): Promise<Unlock> {
  const giveUpAt = clock.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const unlockIt = await tryLock(path);
    if (unlockIt) return unlockIt;
    if (clock.now() >= giveUpAt)
      throw new StarlingError('UNAVAILABLE', `${path} was locked by another build for all of ${timeoutMs} ms`);
    await clock.sleep(100, signal);
  }
}

async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

async function isHeld(content: string): Promise<boolean> {
  try {
    // Of another host's process nothing is known, so it counts as running.
    return (await isRunning(JSON.parse(content) as ProcessMark)) !== false;
  } catch {
    return false;
  }
}

async function removeStale(path: string, theirs: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if (isMissingFile(thrown)) return;
    throw thrown;
  }
  // Another process may have been faster, so that what was moved aside is its new lock: that one goes back.
  if ((await readFile(aside, 'utf8')) !== theirs) await linked(aside, path);
  await rm(aside, { force: true });
}

async function unlock(path: string, mine: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === mine) await rm(path, { force: true });
}
