import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { sql } from 'drizzle-orm';
import type { Logger } from '../lib/log.ts';
import { connect, type Database, disconnect } from './connect.ts';
import { databaseTrouble } from './database-trouble.ts';

// Lists, histories and trends may be read from a streaming replica, which is always a little behind. Two things must not
// come of that: pages that are told of a change and then read the state before it, and answers that are minutes old because
// the replica hangs. So a read goes to the replica only when that has replayed what was last announced, and while it is
// known to have had all that the primary had ten seconds ago. Everything else, and whatever the replica does not answer, the
// primary answers. Positions in the log are compared, not clocks.

const lookEveryMs = 2_000;
const patienceMs = 3_000;
const mostLagMs = 10_000;
/** How long a reader waits for the replica to have what was just announced, before the primary is asked. */
const catchUpMs = 200;
const catchUpEveryMs = 10;
/** Positions of the primary that are remembered, with their times: some minutes. */
const mostMarks = 150;

export interface ReplicaState {
  /** `late`: too far behind; `away`: it does not answer; `wrong`: it is no replica of this database. */
  status: 'in use' | 'late' | 'away' | 'wrong';
  since: Date;
  /** It has everything that is at least this old; null while that is not known. */
  lagMs: number | null;
  why: string | null;
}

/** Where reads go whose answer may be some seconds old, but not older than what their reader was told of. */
export interface Reader {
  /** Runs `work` on the replica; or on the primary, also when it failed on the replica. */
  read<T>(work: (database: Database) => Promise<T>): Promise<T>;
  /** Something changed: what is read from now on contains it. */
  changed(): void;
  /** Undefined when there is no replica. */
  state(): ReplicaState | undefined;
  stop(): Promise<void>;
}

/** Reads where everything is written. */
export const primaryReader = (database: Database): Reader => ({
  read: (work) => work(database),
  changed: () => {},
  state: () => undefined,
  stop: async () => {},
});

export interface ReplicaReaderOptions {
  primary: Database;
  /** The URL of a streaming replica of it. */
  url: string;
  clock: Clock;
  log: Logger;
}

/** A reader over a replica; nothing is read there before the first look has found it fit. */
export function replicaReader({ primary, url, clock, log }: ReplicaReaderOptions): Reader {
  const open = () =>
    connect(url, { applicationName: 'starling-reader', readOnly: true, variable: 'DATABASE_READ_URL' });
  let replica = open();
  let state: ReplicaState = { status: 'away', since: new Date(clock.now()), lagMs: null, why: 'not asked yet' };
  let marks: { at: number; position: bigint }[] = [];
  let freshAt: number | undefined;
  let replayed = 0n;
  /** Counts what changed, and says how much of that the replica is known to have. */
  let changes = 0;
  let replayedChanges = 0;
  let asking: { changes: number; answer: Promise<boolean> } | undefined;
  const stopping = new AbortController();
  const looking = lookOn();
  return {
    read: async (work) => {
      if (state.status !== 'in use' || !(await hasAllChanges())) return work(primary);
      try {
        return await work(replica);
      } catch (thrown) {
        // What is wrong with the question itself the primary says too; but whoever writes here is told at once.
        if (thrown instanceof StarlingError || wrote(thrown) || stopping.signal.aborted) throw thrown;
        log.warn(`the replica failed to answer; the primary is asked: ${messageOf(thrown)}`);
        return work(primary);
      }
    },
    changed: () => {
      changes += 1;
    },
    state: () => state,
    stop: async () => {
      stopping.abort();
      await looking;
      await disconnect(replica);
    },
  };

  async function lookOn() {
    while (!stopping.signal.aborted) {
      await look();
      await clock.sleep(lookEveryMs, stopping.signal);
    }
  }

  async function look(): Promise<void> {
    const at = clock.now();
    // Without the primary nobody can say how far behind the replica is; it is late then, by and by.
    const ours = await within(primaryPosition()).catch(() => undefined);
    try {
      const theirs = await within(replicaPosition());
      if (theirs.position === undefined) return become('wrong', null, 'it is no replica, or one that was promoted');
      if (ours && theirs.system !== ours.system) return become('wrong', null, 'it is of another cluster');
      if (ours) marks = [...marks, { at, position: ours.position }].slice(-mostMarks);
      replayed = theirs.position;
      const reached = marks.findLast(({ position }) => position <= replayed);
      if (reached) {
        freshAt = reached.at;
        marks = marks.filter((mark) => mark.at >= reached.at);
      }
      const lagMs = freshAt === undefined ? null : clock.now() - freshAt;
      if (lagMs === null || lagMs > mostLagMs) become('late', lagMs, 'it is too far behind');
      else become('in use', lagMs, null);
    } catch (thrown) {
      if (stopping.signal.aborted) return;
      become('away', null, messageOf(databaseTrouble(thrown) ?? thrown));
      // Whoever waits for an answer asks the primary then; and nothing stays on connections that the other end forgot.
      const hung = replica;
      replica = open();
      await hung.$client.end({ timeout: 0 }).catch(() => {});
    }
  }

  function become(status: ReplicaState['status'], lagMs: number | null, why: string | null) {
    const isNew = status !== state.status;
    state = { status, lagMs, why, since: isNew ? new Date(clock.now()) : state.since };
    if (!isNew) return;
    if (status === 'in use') log.info('the replica is in use');
    else log.warn(`the replica is ${status}, the primary answers for it: ${why}`);
  }

  /** Whether the replica has replayed everything that was announced so far. Those who ask at once ask once. */
  function hasAllChanges(): Promise<boolean> {
    if (replayedChanges === changes) return Promise.resolve(true);
    if (asking?.changes !== changes) {
      const current = { changes, answer: askForChanges(changes) };
      asking = current;
      void current.answer.finally(() => {
        if (asking === current) asking = undefined;
      });
    }
    return asking!.answer;
  }

  async function askForChanges(upTo: number): Promise<boolean> {
    try {
      const { position } = await within(primaryPosition());
      const until = clock.now() + catchUpMs;
      while (replayed < position) {
        replayed = (await within(replicaPosition())).position ?? 0n;
        if (replayed >= position) break;
        if (clock.now() >= until || stopping.signal.aborted) return false;
        await clock.sleep(catchUpEveryMs, stopping.signal);
      }
      replayedChanges = Math.max(replayedChanges, upTo);
      return true;
    } catch {
      return false;
    }
  }

  async function primaryPosition() {
    const [row] = await primary.execute<{ position: string; system: string }>(sql`
      select (pg_current_wal_lsn() - '0/0')::text as position, system_identifier::text as system from pg_control_system()`);
    return { position: BigInt(row!.position), system: row!.system };
  }

  /** Without a position where it is none that replays. */
  async function replicaPosition() {
    const [row] = await replica.execute<{ position: string | null; system: string }>(sql`
      select case when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0')::text end as position,
        system_identifier::text as system
      from pg_control_system()`);
    return { position: row?.position ? BigInt(row.position) : undefined, system: row?.system };
  }

  /** A database that hangs is as good as none. */
  function within<T>(answer: Promise<T>): Promise<T> {
    const done = new AbortController();
    const tooLate = clock.sleep(patienceMs, done.signal).then(() => {
      throw new Error(`no answer within ${patienceMs / 1_000} s`);
    });
    tooLate.catch(() => {});
    answer.catch(() => {});
    return Promise.race([answer, tooLate]).finally(() => done.abort());
  }
}

const wrote = (thrown: unknown) => {
  const { code, cause } = thrown as { code?: string; cause?: { code?: string } };
  return (cause?.code ?? code) === '25006';
};
