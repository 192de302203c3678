import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type postgres from 'postgres';
import type { Logger } from '../lib/log.ts';
import type { Database } from './connect.ts';

// Each loop of the control plane runs on one server at a time: the one whose session holds the loop's advisory lock.
// PostgreSQL lets go of it when that session ends, however it ends, and another server takes over at its next try.

export interface LeaderOptions {
  database: Database;
  /** The loop, for example `synchronizer`. */
  name: string;
  clock: Clock;
  log: Logger;
  /** How often a follower tries, and how often the leader makes sure that its session is alive. */
  everyMs?: number;
  /** Starts the work; what it returns stops it. */
  lead: () => { stop(): Promise<void> };
}

export interface Candidacy {
  readonly leading: boolean;
  stop(): Promise<void>;
}

/** Stands for leader of one loop until stopped. */
export function standForLeader(options: LeaderOptions): Candidacy {
  const { database, name, clock, log, lead, everyMs = 2_000 } = options;
  const stopping = new AbortController();
  let leading = false;
  const ended = run();
  return {
    get leading() {
      return leading;
    },
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };

  async function run() {
    while (!stopping.signal.aborted) {
      let session: postgres.ReservedSql | undefined;
      try {
        session = await database.$client.reserve();
        if (await takeLock(session)) await leadWith(session);
      } catch (thrown) {
        if (!stopping.signal.aborted) log.warn(`${name}: leadership: ${messageOf(thrown)}`);
      } finally {
        leading = false;
        session?.release();
      }
      if (!stopping.signal.aborted) await clock.sleep(everyMs, stopping.signal);
    }
  }

  async function leadWith(session: postgres.ReservedSql) {
    leading = true;
    log.info(`${name}: leading`);
    const work = lead();
    try {
      while (!stopping.signal.aborted) {
        await clock.sleep(everyMs, stopping.signal);
        // Throws when the session is gone, and asks for the lock itself: a pooled connection that was silently
        // replaced would answer, but no longer hold it.
        const [row] = await session`
          select count(*)::int as held from pg_locks
          where locktype = 'advisory' and pid = pg_backend_pid() and objid = hashtext(${name})::oid`;
        if (row?.held === 0) throw new Error('the lock was lost');
      }
    } finally {
      await work.stop();
      leading = false;
      await session`select pg_advisory_unlock(hashtext('starling'), hashtext(${name}))`.catch(() => {});
    }
  }

  async function takeLock(session: postgres.ReservedSql): Promise<boolean> {
    const [row] = await session`select pg_try_advisory_lock(hashtext('starling'), hashtext(${name})) as taken`;
    return row?.taken === true;
  }
}
