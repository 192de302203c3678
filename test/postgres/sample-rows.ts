import { randomBytes } from 'node:crypto';
import type { Attempt, FinishedBuild } from '@starling/server/builder/ports.ts';
import type { Database } from '@starling/server/db/connect.ts';
import { createJob } from '@starling/server/jobs/create.ts';
import { jobQueue } from '@starling/server/jobs/queue.ts';
import { hashOfToken } from '@starling/server/lib/random-token.ts';
import type { Forecast } from '@starling/shared/forecast.ts';
import type { IdentityKind } from '@starling/shared/permissions.ts';
import { identities, projects, regions } from '../../drizzle/schema/index.ts';

export const someSha = () => randomBytes(20).toString('hex');
export const someDigest = () => randomBytes(32).toString('hex');

/** A forecast that names nothing but how long it takes. */
export const forecastOf = (totalMs: number): Forecast => ({
  ...{ totalMs, machines: 1, bytes: 0, hubBytes: 0 },
  ...{ waves: [], regions: [], bases: [], assumptions: [] },
});

export async function addProject(database: Database, name: string): Promise<void> {
  const project = { name, repositoryUrl: '/repository', defaultRef: 'main', binaryName: name, createdBy: 'test' };
  await database.insert(projects).values(project).onConflictDoNothing();
}

export async function addRegions(database: Database, names: string[]): Promise<void> {
  await database
    .insert(regions)
    .values(names.map((name, position) => ({ name, position })))
    .onConflictDoNothing();
}

export function addJob(
  database: Database,
  project: string,
  {
    commitSha = someSha(),
    maxAttempts = 3,
    deadlineMs = 900_000,
    force = false,
    workerLabels = {} as Record<string, string>,
  } = {},
) {
  const job = {
    project,
    commitSha,
    requestedRef: 'main',
    requestedBy: 'test',
    repositoryUrl: '/repository',
    binaryName: project,
    maxAttempts,
    deadlineMs,
    workerLabels,
  };
  return createJob(database, job, force);
}

export function finishedBuild(buildId: string, overrides: Partial<FinishedBuild> = {}): FinishedBuild {
  return {
    buildId,
    commitAuthor: 'Ada Example',
    commitSubject: 'Change something',
    committedAt: new Date(0),
    manifestDigest: someDigest(),
    manifestBytes: 1_000,
    streamBytes: 100_000,
    newBytes: 90_000,
    chunkCount: 12,
    newChunkCount: 10,
    packDigest: someDigest(),
    packBytes: 50_000,
    patchBytes: 0,
    packs: [],
    fileCount: 3,
    ...overrides,
  };
}

/** A project with one completed build; its replicas are PENDING in every region there is. */
export async function addBuild(
  database: Database,
  project: string,
  overrides: Partial<FinishedBuild> = {},
): Promise<{ attempt: Attempt; build: FinishedBuild }> {
  await addProject(database, project);
  const { id } = await addJob(database, project);
  const queue = jobQueue(database);
  let [attempt] = await queue.take('test-worker');
  // Jobs that the test left waiting are older and come first.
  while (attempt && attempt.jobId !== id) [attempt] = await queue.take('test-worker');
  if (!attempt) throw new Error(`job ${id} could not be taken`);
  const build = finishedBuild(await queue.reserveBuildId(attempt), overrides);
  if (build.packDigest) {
    const { packDigest: digest, packBytes: sizeBytes, patchBytes } = build;
    await queue.recordPack(attempt, { digest, sizeBytes, patchBytes, infoHash: someSha() });
    build.packs = [...new Set([...build.packs, digest])];
  }
  await queue.complete(attempt, build);
  return { attempt, build };
}

/** A hub, worker or agent that has enrolled with `secret`. */
export async function addIdentity(
  database: Database,
  identity: { kind: IdentityKind; name: string; region: string | null },
  secret: string,
): Promise<void> {
  await database.insert(identities).values({ ...identity, tokenHash: hashOfToken(secret) });
}
