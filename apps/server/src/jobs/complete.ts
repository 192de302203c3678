import { StarlingError } from '@starling/shared/errors.ts';
import type { Attempt, Completion, FinishedBuild, TakeOptions } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
import { endStep } from './end.ts';
import { askedBy, takeRest, takeUnlimited } from './take.ts';
import type { Client } from './take-steps.ts';

/**
 * Ends a job well: job, build, the packs it names and a PENDING replica for every region, in one transaction; and takes the
 * worker's next job, when it asks for one, in the same commit. Not `recorded`, and nothing written, when the attempt has
 * been taken away meanwhile. Throws UNAVAILABLE when a pack that the build names is not recorded, or being deleted: the
 * next attempt borrows from what is there then.
 */
export async function completeJob(
  database: Database,
  attempt: Attempt,
  build: FinishedBuild,
  next?: TakeOptions,
): Promise<Completion> {
  const asked = next && askedBy(attempt.worker, next);
  const { recorded, rows } = await database.$client.begin(async (client) => {
    // Locked until this is committed: the sweep locks a pack before it looks whether a build names it.
    const there = await client<{ digest: string }[]>`
      select digest from packs where digest = any (${build.packs}::text[]) and deleting_at is null
      order by digest for key share`;
    if (there.length < new Set(build.packs).size) await refuseUnlessOver(client, attempt, build, there);
    const ended = await client`
    with ${endStep(client, attempt.worker, attempt.attempt, [attempt.jobId], build.buildId)}, build as (
      insert into builds (id, project, commit_sha, job_id, commit_author, commit_subject, committed_at, manifest_digest,
        manifest_bytes, stream_bytes, new_bytes, chunk_count, new_chunk_count, pack_digest, pack_bytes, patch_bytes,
        file_count, rollout)
      select ${build.buildId}, project, commit_sha, id, ${build.commitAuthor}, ${build.commitSubject},
        ${build.committedAt.toISOString()}::text::timestamptz, ${build.manifestDigest}, ${build.manifestBytes}::bigint,
        ${build.streamBytes}::bigint, ${build.newBytes}::bigint, ${build.chunkCount}::int, ${build.newChunkCount}::int,
        ${build.packDigest}::text, ${build.packBytes}::bigint, ${build.patchBytes}::bigint, ${build.fileCount}::int,
        ${build.rollout ? JSON.stringify(build.rollout) : null}::text::jsonb
      from ended
      returning id
    ), named as (
      insert into build_packs (build_id, pack)
      select build.id, pack from build, unnest(${build.packs}::text[]) as pack
    ), copies as (
      insert into replicas (build_id, region, bytes_total)
      select build.id, regions.name, ${build.packBytes + build.manifestBytes}::bigint from build, regions
    ), stages as (
      update job_stage_times set finished_at = now() from ended
      where job_stage_times.job_id = ended.id and job_stage_times.finished_at is null
    )
    select id from ended`;
    const isOurs = ended.length > 0 || (await wasRecorded(client, attempt, build));
    return { recorded: isOurs, rows: isOurs && asked ? await takeUnlimited(client, asked) : [] };
  });
  if (!recorded) return { recorded, next: [] };
  announceSoon(database, 'jobs');
  announceSoon(database, 'replicas');
  return { recorded, next: asked ? await takeRest(database, asked, rows) : [] };
}

async function refuseUnlessOver(
  client: Client,
  attempt: Attempt,
  build: FinishedBuild,
  there: { digest: string }[],
): Promise<void> {
  // Said again after it was recorded, its packs may have gone since.
  if (await wasRecorded(client, attempt, build)) return;
  const gone = build.packs.find((pack) => !there.some(({ digest }) => digest === pack));
  throw new StarlingError('UNAVAILABLE', `the pack ${gone} that the build names was deleted meanwhile`);
}

/** Whether an earlier try of this very call was committed, and only its answer was lost. */
async function wasRecorded(client: Client, attempt: Attempt, build: FinishedBuild): Promise<boolean> {
  const rows = await client`
    select from jobs where id = ${attempt.jobId} and status = 'SUCCEEDED' and worker = ${attempt.worker}
      and attempts = ${attempt.attempt} and build_id = ${build.buildId}`;
  return rows.length > 0;
}
