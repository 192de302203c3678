import { join } from 'node:path';
import type { Child } from '@starling/local/child.ts';
import { connect, type Database, disconnect } from '@starling/server/db/connect.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { sql } from 'drizzle-orm';
import { makeCommits } from './commits.ts';
import { type Findings, findOut } from './findings.ts';
import { type SoakFleet, startFleet } from './fleet.ts';

// Many tiny builds while servers and workers are killed, without a word, over and over. In the end every job must have
// ended, no commit may have been built twice to success, none may be lost, and every build must be in every region.

export interface SoakOptions {
  /** Holds everything; enterable by PostgreSQL's own user. */
  data: string;
  builds: number;
  workers: number;
  controls: number;
  /** Between two kills of a control server, in milliseconds; they take turns. */
  killControlEveryMs: number;
  /** Between two kills of a worker, in milliseconds; which one is left to chance. */
  killWorkerEveryMs: number;
  /** After this it is over, however far it is. */
  deadlineMs: number;
  onProgress?: (line: string) => void;
}

export interface SoakResult extends Findings {
  seconds: number;
  kills: { control: number; worker: number };
  /** Requests to the API that had to be made again because a server was away. */
  repeatedRequests: number;
  intime: boolean;
  passed: boolean;
}

/** How many jobs may be open while more are asked for. */
const mostOpen = 50;

/** Short enough that a lost job is noticed while others still build; ten attempts, as kills hit whoever is there. */
const settings = {
  STARLING_HEARTBEAT_EVERY: '1s',
  STARLING_STALE_AFTER: '10s',
  STARLING_MONITOR_EVERY: '1s',
  STARLING_POLL_EVERY: '1s',
  STARLING_SYNCHRONIZE_EVERY: '2s',
  STARLING_BUILD_DEADLINE: '2m',
  STARLING_MAX_ATTEMPTS: '10',
};

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { data, onProgress = () => {} } = options;
  onProgress(
    `making ${options.builds} commits; starting ${options.controls} control servers, ${options.workers} workers`,
  );
  const repository = join(data, 'repository');
  const witness = join(data, 'recipes-run');
  const fleet = await startFleet({ data, controls: options.controls, workers: options.workers, settings });
  const database = connect(fleet.databaseUrl, { applicationName: 'soak', maxConnections: 2 });
  const over = new AbortController();
  try {
    const commits = await makeCommits(repository, options.builds, witness);
    await fleet.apis[0]!.projects.add.mutate({ name: 'soak', repositoryUrl: repository, defaultRef: 'main' });
    const startedAt = Date.now();
    const kills = { control: 0, worker: 0 };
    const killing = Promise.all([
      kill(fleet.controls, options.killControlEveryMs, 'turns', () => (kills.control += 1), over.signal),
      kill(fleet.workers, options.killWorkerEveryMs, 'chance', () => (kills.worker += 1), over.signal),
    ]);
    const open = { jobs: 0 };
    const asking = askForAll(fleet, commits, open, startedAt + options.deadlineMs);
    asking.catch(() => {});
    const intime = await untilAllEnded(database, options, startedAt, (line, notEnded) => {
      open.jobs = notEnded;
      if (line) onProgress(`${line}; killed ${kills.control} control servers, ${kills.worker} workers`);
    });
    const seconds = Math.round((Date.now() - startedAt) / 100) / 10;
    over.abort();
    await killing;
    const repeatedRequests = await asking;
    const findings = await findOut(database, fleet, commits, witness);
    const passed = intime && findings.checks.every(({ expected, found }) => expected === found);
    return { ...findings, seconds, kills, repeatedRequests, intime, passed };
  } finally {
    over.abort();
    await disconnect(database);
    await fleet.stop();
  }
}

/** Kills one after another until it is over. Each is started again by its launcher, as an init system would. */
async function kill(
  victims: Child[],
  everyMs: number,
  how: 'turns' | 'chance',
  onKill: () => void,
  over: AbortSignal,
): Promise<void> {
  for (let turn = 0; ; turn += 1) {
    await pause(everyMs, over);
    if (over.aborted) return;
    const victim = victims[how === 'turns' ? turn % victims.length : Math.floor(Math.random() * victims.length)]!;
    if (victim.pid === undefined) continue;
    await victim.crash();
    onKill();
  }
}

/**
 * Asks for a build of every commit, each at any server that answers, with never many waiting: so requests are made until
 * almost the end, and servers are killed in the middle of them. Asking again is harmless: a commit has one job.
 */
async function askForAll(
  { apis }: SoakFleet,
  commits: readonly string[],
  open: Readonly<{ jobs: number }>,
  until: number,
): Promise<number> {
  let [next, repeated] = [0, 0];
  const asker = async () => {
    for (let index = next++; index < commits.length; index = next++) {
      while (open.jobs > mostOpen && Date.now() < until) await pause(100);
      for (let tries = 0; ; tries += 1) {
        try {
          const api = apis[(index + tries) % apis.length]!;
          await api.jobs.create.mutate(
            { project: 'soak', ref: commits[index]! },
            { signal: AbortSignal.timeout(10_000) },
          );
          break;
        } catch (thrown) {
          repeated += 1;
          if (Date.now() > until) throw new Error(`no server took a request: ${messageOf(thrown)}`);
          await pause(200);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, asker));
  return repeated;
}

/** Waits until every job has ended and every build is replicated; false when the deadline came first. */
async function untilAllEnded(
  database: Database,
  { builds, deadlineMs }: SoakOptions,
  startedAt: number,
  onLook: (line: string | undefined, notEnded: number) => void,
): Promise<boolean> {
  for (let look = 1; ; look += 1) {
    const [row] = await database.execute<{ asked: number; ended: number; copying: number }>(sql`
      select count(*)::int as asked, (count(*) filter (where finished_at is not null))::int as ended,
        (select count(*)::int from replicas where status <> 'REPLICATED') as copying
      from jobs`);
    const { asked, ended, copying } = row!;
    if (ended === builds && copying === 0) return true;
    const seconds = Math.round((Date.now() - startedAt) / 1_000);
    const line = `${seconds} s: ${asked} asked for, ${ended} ended, ${copying} replicas to come`;
    onLook(look % 20 === 0 ? line : undefined, asked - ended);
    if (Date.now() - startedAt > deadlineMs) return false;
    await pause(500);
  }
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}
