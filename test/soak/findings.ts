import { readFile } from 'node:fs/promises';
import { manifestKey, packKey } from '@starling/server/blobs/blob-store.ts';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import type { Database } from '@starling/server/db/connect.ts';
import { asc } from 'drizzle-orm';
import { builds, jobs, replicas } from '../../drizzle/schema/index.ts';
import type { SoakFleet } from './fleet.ts';

export interface Check {
  check: string;
  expected: number;
  found: number;
}

export interface Findings {
  checks: Check[];
  /** How many jobs took how many attempts. */
  attempts: Record<number, number>;
  /** Attempts beyond the first ones: each was begun after the one before was lost or put back. */
  retriedAttempts: number;
  /** Attempts that were put back by the killed worker itself when it started again, and by the monitor before that. */
  putBack: { byWorker: number; byMonitor: number };
  /** How often a server began to lead a loop. */
  leaderships: number;
  /** Recipes that were run, those of attempts that were then lost too. */
  recipesRun: number;
  /** Why jobs did not succeed, with how many. */
  failures: Record<string, number>;
}

/** Reads what came of it, from the tables, the stores and the logs. */
export async function findOut(
  database: Database,
  fleet: SoakFleet,
  commits: readonly string[],
  witness: string,
): Promise<Findings> {
  const allJobs = await database.select().from(jobs).orderBy(asc(jobs.id));
  const allBuilds = await database.select().from(builds);
  const allReplicas = await database.select().from(replicas);
  const ended = allJobs.filter(({ status }) => !['QUEUED', 'RUNNING'].includes(status));
  const succeeded = allJobs.filter(({ status }) => status === 'SUCCEEDED');
  const asked = new Set(commits);
  const jobOf = new Map(allJobs.map((job) => [job.id, job]));
  const [workerLogs, controlLogs] = await Promise.all([logs(fleet, fleet.workers), logs(fleet, fleet.controls)]);
  const completions = Map.groupBy(
    workerLogs.flatMap(({ msg, job }) => (msg === 'build complete' && typeof job === 'number' ? [job] : [])),
    (job) => job,
  );
  const count = <Row>(rows: Iterable<Row>, holds: (row: Row) => boolean) => [...rows].filter(holds).length;
  const distinct = (values: string[]) => new Set(values).size;
  const total = commits.length;
  const checks: Check[] = [
    {
      check: 'jobs for the commits that were asked for',
      expected: total,
      found: count(allJobs, (job) => asked.has(job.commitSha)),
    },
    { check: 'commits with a job', expected: total, found: distinct(allJobs.map(({ commitSha }) => commitSha)) },
    { check: 'jobs that ended', expected: total, found: ended.length },
    { check: 'jobs that succeeded', expected: total, found: succeeded.length },
    { check: 'builds', expected: succeeded.length, found: allBuilds.length },
    {
      check: 'commits with a build',
      expected: succeeded.length,
      found: distinct(allBuilds.map(({ commitSha }) => commitSha)),
    },
    {
      check: 'builds that their job names, of its commit',
      expected: allBuilds.length,
      found: count(allBuilds, ({ id, jobId, commitSha }) => {
        const job = jobOf.get(jobId);
        return job?.buildId === id && job.commitSha === commitSha && job.status === 'SUCCEEDED';
      }),
    },
    {
      check: 'jobs that were completed more than once',
      expected: 0,
      found: count(completions.values(), (times) => times.length > 1),
    },
    {
      check: 'replicas, complete in every region',
      expected: allBuilds.length * fleet.regions.length,
      found: count(allReplicas, ({ status }) => status === 'REPLICATED'),
    },
    { check: 'replica rows', expected: allBuilds.length * fleet.regions.length, found: allReplicas.length },
    { check: 'packs and manifests that a region lacks', expected: 0, found: await missingBlobs(fleet, allBuilds) },
  ];
  const recipesRun = (await readFile(witness, 'utf8').catch(() => '')).split('\n').filter(Boolean).length;
  return {
    checks,
    attempts: tally(allJobs.map(({ attempts }) => attempts)),
    retriedAttempts: allJobs.reduce((sum, { attempts }) => sum + Math.max(0, attempts - 1), 0),
    putBack: {
      byWorker: workerLogs.reduce((sum, line) => sum + (Array.isArray(line.jobs) ? line.jobs.length : 0), 0),
      byMonitor: count(controlLogs, ({ msg }) => typeof msg === 'string' && / lost its worker /.test(msg)),
    },
    leaderships: count(controlLogs, ({ msg }) => typeof msg === 'string' && /: leading\b/.test(msg)),
    recipesRun,
    failures: tally(
      allJobs.flatMap((job) =>
        job.status === 'SUCCEEDED' ? [] : [`${job.status}: ${job.failureReason ?? 'no reason'}`],
      ),
    ),
  };
}

function tally<Value extends string | number>(values: Value[]): Record<Value, number> {
  const groups = Map.groupBy(values.toSorted(), (value) => value);
  return Object.fromEntries([...groups].map(([value, same]) => [value, same.length])) as Record<Value, number>;
}

async function missingBlobs(fleet: SoakFleet, rows: (typeof builds.$inferSelect)[]): Promise<number> {
  let missing = 0;
  for (const region of fleet.regions) {
    const store = openBlobStore(fleet.blobsOf(region));
    for (const { packDigest, packBytes, manifestDigest, manifestBytes } of rows) {
      if (packDigest && (await store.sizeOf(packKey(packDigest))) !== packBytes) missing += 1;
      if ((await store.sizeOf(manifestKey(manifestDigest))) !== manifestBytes) missing += 1;
    }
  }
  return missing;
}

/** The log lines of processes; what a killed process left half written is left out. */
async function logs(fleet: SoakFleet, children: SoakFleet['workers']): Promise<Record<string, unknown>[]> {
  const files = children.flatMap((child) => [`${fleet.logOf(child)}.1`, fleet.logOf(child)]);
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return texts
    .flatMap((text) => text.split('\n'))
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}
