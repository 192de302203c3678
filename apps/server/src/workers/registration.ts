import type { Clock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import {
  aliveForMs,
  forgetGone,
  refreshEveryMs,
  refreshName,
  sayLeaving,
  sayStopped,
  takeName,
  type WorkerIdentity,
} from './registry.ts';
import { whyShutOut } from './standing.ts';

// A worker says that it is there as long as it is. When another process took its name meanwhile (which it may once we
// were silent for too long, say in a virtual machine that stood still), it takes no job any more: two under one name
// could not be told apart by whoever looks or drains. What it builds it still finishes, as the attempt has a number of
// its own. As soon as the other is gone it takes the name back. The same goes for a worker whose identity was revoked.

export interface RegistrationOptions {
  database: Database;
  worker: WorkerIdentity;
  clock: Clock;
  log: Logger;
  refreshMs?: number;
  /** Silence after which whoever holds the name counts as dead, in milliseconds. */
  aliveMs?: number;
}

export interface Registration {
  /** Whether the name is ours, so that jobs may be taken under it. */
  readonly held: boolean;
  /** Whether a process of the same place had it, which is dead: what it was building nobody builds any more. */
  readonly inherited: boolean;
  /** Shows as draining until the end. */
  leave(): Promise<void>;
  /** Says that the worker ended. */
  stop(): Promise<void>;
}

/**
 * Registers a worker, and keeps saying that it is alive. The caller holds the lock of its place, so whoever was
 * registered there is dead. A name that is held from another place is waited for as long as a dead one takes to fall
 * silent; then CONFLICT, since that one lives. FORBIDDEN when it is not enrolled, or was revoked.
 */
export async function registerWorker(options: RegistrationOptions): Promise<Registration> {
  const { database, worker, clock, log, refreshMs = refreshEveryMs, aliveMs = aliveForMs } = options;
  const { name } = worker;
  let since: Date | undefined;
  let inherited = false;
  await takeAtStart();
  const loop = new Loop({ name: `registration of ${name}`, everyMs: refreshMs, clock, log, pass }).start();
  await forgetGone(database);
  return {
    get held() {
      return since !== undefined;
    },
    inherited,
    async leave() {
      if (since)
        await sayLeaving(database, name, since).catch((thrown) => log.warn({ err: thrown }, 'not shown as leaving'));
    },
    async stop() {
      await loop.stop();
      // Whether it is noted or not, the process ends now; unnoted it is soon seen to be silent.
      if (since) await sayStopped(database, name, since).catch((thrown) => log.warn({ err: thrown }, 'not signed off'));
    },
  };

  async function takeAtStart(): Promise<void> {
    const until = clock.now() + aliveMs + 2 * refreshMs;
    for (let tries = 0; ; tries += 1) {
      const found = await take(true);
      if (!found) return;
      if (clock.now() >= until) {
        throw new StarlingError(
          'CONFLICT',
          `a worker called ${name} runs at ${found.place}, and was heard of ${formatDuration(found.silentMs)} ago`,
          { field: 'STARLING_WORKER', fix: 'Give each worker a name of its own.' },
        );
      }
      if (tries === 0) log.warn(`the name ${name} is held at ${found.place}; waiting whether that worker is alive`);
      await clock.sleep(Math.min(refreshMs, Math.max(0, until - clock.now())));
    }
  }

  async function take(heirOfPlace: boolean) {
    const taken = await takeName(database, worker, { heirOfPlace, aliveMs });
    if ('holder' in taken) return taken.holder;
    since = taken.since;
    inherited = taken.inherited;
    return undefined;
  }

  async function pass(): Promise<void> {
    if (since) {
      if (await refreshName(database, worker, since)) return;
      since = undefined;
      const shutOut = await whyShutOut(database, name, worker.credentialHash);
      log.error(
        shutOut
          ? `${shutOut.message}; no job is taken any more`
          : `another process has the name ${name}; no job is taken until it is gone`,
      );
    }
    // Said once, above; it is not let in again by waiting, but an administrator may have mended it.
    if (await whyShutOut(database, name, worker.credentialHash)) return;
    // Not as the heir of our place: if two hosts are called the same they would take it from each other for ever.
    if (!(await take(false))) log.info(`the name ${name} is ours again`);
  }
}
