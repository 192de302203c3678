import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { and, eq, sql } from 'drizzle-orm';
import { leaderships } from '../../../../drizzle/schema/index.ts';
import type { Logger } from '../lib/log.ts';
import type { Database, Transaction } from './connect.ts';
import { fenced } from './fence.ts';

// Each loop of the control plane runs on one server at a time: the one that holds its lease, a row which the leader renews
// every second. Four seconds after the last renewal any other server may take it, which begins a new term with a higher
// epoch. A lease rather than an advisory lock, because a lock lives as long as its session: that of a host which vanished,
// or of a process that is stopped, may outlive it by many minutes. All times are the database's, so clocks do not matter.
// That an old leader no longer writes is not left to its noticing: see `fence.ts`.

const leaseMs = 4_000;
const renewEveryMs = 1_000;
/** How long taking over waits for transactions of the term before, which may be those of a server that is held up. */
const lastWritesMs = 1_500;
/** Taking over is tried again; meanwhile it must keep no renewal from its connection. */
const takeOverTimeouts = { lock_timeout: 3_000, idle_in_transaction_session_timeout: 2_000 };
/** A leader that could not renew for this long stops by itself, before anyone else may begin. */
const giveUpAfterMs = 3_000;

export interface LeaderOptions {
  /** For the lease alone, so that no busy pool keeps a renewal waiting. */
  leases: Database;
  /** What the loop works on; it gets it fenced. */
  database: Database;
  /** The loop, for example `synchronizer`. */
  name: string;
  /** This server, as people know it. */
  server: string;
  clock: Clock;
  log: Logger;
  /** Starts the work; what it returns stops it. */
  lead: (term: Term) => { stop(): Promise<void> };
}

/** The time for which a server leads a loop. */
export interface Term {
  epoch: number;
  /** Refuses to write once the term is over. */
  database: Database;
}

export interface Candidacy {
  readonly leading: boolean;
  stop(): Promise<void>;
}

/** Stands for leader of one loop until stopped. */
export function standForLeader(options: LeaderOptions): Candidacy {
  const { leases, database, name, server, clock, log, lead } = options;
  const stopping = new AbortController();
  const ofLoop = eq(leaderships.loop, name);
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
      try {
        const epoch = await takeOver();
        if (epoch !== undefined) await leadFor(epoch);
      } catch (thrown) {
        if (!stopping.signal.aborted) log.warn(`${name}: leadership: ${messageOf(thrown)}`);
      }
      if (!stopping.signal.aborted) await clock.sleep(renewEveryMs, stopping.signal);
    }
  }

  async function leadFor(epoch: number) {
    leading = true;
    log.info(`${name}: leading, term ${epoch}`);
    const work = lead({ epoch, database: fenced(database, name, epoch) });
    try {
      let renewedAt = clock.now();
      while (!stopping.signal.aborted) {
        await clock.sleep(renewEveryMs, stopping.signal);
        if (stopping.signal.aborted) return;
        const kept = await renew(epoch).catch((thrown: unknown) => {
          log.warn(`${name}: the lease could not be renewed: ${messageOf(thrown)}`);
          return undefined;
        });
        if (kept) renewedAt = clock.now();
        if (kept === false || clock.now() - renewedAt > giveUpAfterMs) {
          log.warn(`${name}: leading no more: ${kept === false ? 'another server took over' : 'the database is away'}`);
          return;
        }
      }
    } finally {
      await work.stop();
      leading = false;
      await release(epoch).catch(() => {});
    }
  }

  /** The epoch of a new term; undefined while someone else leads. */
  async function takeOver(): Promise<number | undefined> {
    const [row] = await leases.select({ stale }).from(leaderships).where(ofLoop);
    if (row?.stale === false) return undefined;
    return leases.transaction(async (tx) => {
      for (const [setting, milliseconds] of Object.entries(takeOverTimeouts))
        await tx.execute(sql`select set_config(${setting}, ${String(milliseconds)}, true)`);
      await tx
        .insert(leaderships)
        .values({ loop: name, epoch: 0, leader: server, renewedAt: sql`to_timestamp(0)` })
        .onConflictDoNothing();
      // Waits for what the last leader is just committing, and keeps others from taking over too.
      const [current] = await endingOthers(tx, () =>
        tx.select({ stale, next: nextEpoch }).from(leaderships).where(ofLoop).for('update'),
      );
      if (!current?.stale) return undefined;
      const epoch = Number(current.next);
      await tx
        .update(leaderships)
        .set({ epoch, leader: server, since: sql`clock_timestamp()`, renewedAt: sql`clock_timestamp()` })
        .where(ofLoop);
      return epoch;
    });
  }

  /**
   * Does what waits for a lock, and ends the sessions that keep it waiting for too long. PostgreSQL ends those that are idle
   * in a transaction by itself, but not those whose server was stopped between two messages of one statement.
   */
  async function endingOthers<T>(tx: Transaction, work: () => Promise<T>): Promise<T> {
    const [own] = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
    const done = new AbortController();
    const ending = clock.sleep(lastWritesMs, done.signal).then(async () => {
      if (done.signal.aborted) return;
      const ended = await database.execute(
        sql`select pid from unnest(pg_blocking_pids(${own!.pid})) as pid where pg_terminate_backend(pid)`,
      );
      if (ended.length > 0) log.warn(`${name}: ended ${ended.length} sessions of a server that is held up`);
    });
    ending.catch((thrown: unknown) => log.warn(`${name}: sessions could not be ended: ${messageOf(thrown)}`));
    try {
      return await work();
    } finally {
      done.abort();
    }
  }

  async function renew(epoch: number): Promise<boolean> {
    const rows = await leases
      .update(leaderships)
      .set({ renewedAt: sql`clock_timestamp()` })
      .where(and(ofLoop, eq(leaderships.epoch, epoch)))
      .returning({ epoch: leaderships.epoch });
    return rows.length === 1;
  }

  /** So that nobody has to wait for the end of the lease. */
  async function release(epoch: number): Promise<void> {
    await leases
      .update(leaderships)
      .set({ renewedAt: sql`to_timestamp(0)` })
      .where(and(ofLoop, eq(leaderships.epoch, epoch)));
  }
}

/** Higher than any before, also when the database came back from a backup and has forgotten some: as high as the time. */
const nextEpoch = sql<number>`greatest(${leaderships.epoch} + 1, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`;
const stale = sql<boolean>`${leaderships.renewedAt} < clock_timestamp() - ${leaseMs} * interval '1 millisecond'`;
