import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Clock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { isMissing } from './disk-error.ts';
import { readIfThere } from './durable-file.ts';
import { isRunning, markOf, type ProcessMark, parseMark, startOf } from './process-mark.ts';

// A lock between processes that a killed holder does not keep: the file says which process holds it, and whoever
// finds that process gone takes the lock over.

export type Unlock = () => Promise<void>;

export interface TryLockOptions {
  /** What a holder on another host, of which nothing is known, is taken for; `running` by default. */
  onOtherHosts?: 'running' | 'gone';
}

export interface LockOptions {
  clock: Clock;
  timeoutMs: number;
  signal?: AbortSignal;
  /** What a holder is called in the message; `another process` by default. */
  holder?: string;
}

/** Takes the lock, or returns undefined when a running process (this one included) holds it. */
export async function tryLock(
  path: string,
  { onOtherHosts = 'running' }: TryLockOptions = {},
): Promise<Unlock | undefined> {
  const mine = JSON.stringify({ ...markOf(process.pid), nonce: randomBytes(8).toString('hex') });
  // A link appears with its content or not at all, so nobody reads half a lock.
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, mine);
  try {
    for (let tries = 0; tries < 3; tries += 1) {
      if (await linked(draft, path)) return () => unlock(path, mine);
      const theirs = await readFile(path, 'utf8').catch(() => undefined);
      if (theirs === undefined) continue;
      const mark = parseMark(theirs);
      if (mark && isHeldBy(mark, onOtherHosts)) return undefined;
      await removeStale(path, theirs);
    }
    return undefined;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Waits for the lock. UNAVAILABLE after `timeoutMs`; rejects with the signal's reason when aborted. */
export async function lock(path: string, options: LockOptions): Promise<Unlock> {
  const { clock, timeoutMs, signal, holder = 'another process' } = options;
  const giveUpAt = clock.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const unlockIt = await tryLock(path);
    if (unlockIt) return unlockIt;
    if (clock.now() >= giveUpAt)
      throw new StarlingError('UNAVAILABLE', `${path} was locked by ${holder} for all of ${timeoutMs} ms`);
    await clock.sleep(100, signal);
  }
}

/** Who has the lock; undefined when nobody does (any more). */
export async function holderOf(path: string): Promise<ProcessMark | undefined> {
  return parseMark((await readIfThere(path)) ?? '');
}

function isHeldBy(mark: ProcessMark, onOtherHosts: 'running' | 'gone'): boolean {
  if (onOtherHosts === 'running') return isRunning(mark) !== false;
  // A start names its boot: one of another host is not found here, and a host with a new name still finds its own.
  return startOf(mark.pid) === mark.started;
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

async function removeStale(path: string, theirs: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if (isMissing(thrown)) return;
    throw thrown;
  }
  // Another process may have been faster, so that what was moved aside is its new lock: that one goes back.
  if ((await readFile(aside, 'utf8')) !== theirs) await linked(aside, path);
  await rm(aside, { force: true });
}

async function unlock(path: string, mine: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === mine) await rm(path, { force: true });
}
