import { StarlingError } from '@starling/shared/errors.ts';
import type { Attempt, Completion, FinishedBuild, TakeOptions } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
import { endStep } from './end.ts';
import { askedBy, takeRest, takeUnlimited } from './take.ts';
import type { Client } from './take-steps.ts';

/**
 * Ends a job well: job, build and a PENDING replica for every region, in one statement; and takes the worker's next job, when
 * it asks for one, in the same commit. Not `recorded`, and nothing written, when the attempt has been taken away meanwhile. Throws UNAVAILABLE when the bytes of an expired build with the same pack are
 * being swept: the upload may have relied on bytes that are gone a moment later, and the next attempt uploads them anew.
 */
export async function completeJob(
  database: Database,
  attempt: Attempt,
  build: FinishedBuild,
  next?: TakeOptions,
): Promise<Completion> {
  const asked = next && askedBy(attempt.worker, next);
  const { recorded, rows } = await database.$client.begin(async (client) => {
    // The sweep holds the same lock while it looks for a build with this pack and deletes it.
    await client`select pg_advisory_xact_lock_shared(hashtext('starling.packs'), hashtext(${build.packDigest}))`;
    const [swept] = await client`
      select id from builds where pack_digest = ${build.packDigest} and expired_at is not null
        and (swept_at is null or swept_at > (select started_at from jobs where id = ${attempt.jobId}))`;
    if (swept) throw new StarlingError('UNAVAILABLE', `the same bytes are being swept, as those of ${swept.id}`);
    const ended = await client`
    with ${endStep(client, attempt.worker, attempt.attempt, [attempt.jobId], build.buildId)}, build as (
      insert into builds (id, project, commit_sha, job_id, commit_author, commit_subject, committed_at, manifest_digest,
        manifest_bytes, pack_digest, pack_bytes, info_hash, file_count, rollout)
      select ${build.buildId}, project, commit_sha, id, ${build.commitAuthor}, ${build.commitSubject},
        ${build.committedAt.toISOString()}::text::timestamptz, ${build.manifestDigest}, ${build.manifestBytes}::bigint,
        ${build.packDigest}, ${build.packBytes}::bigint, ${build.infoHash}, ${build.fileCount}::int,
        ${build.rollout ? JSON.stringify(build.rollout) : null}::text::jsonb
      from ended
      returning id
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

/** Whether an earlier try of this very call was committed, and only its answer was lost. */
async function wasRecorded(client: Client, attempt: Attempt, build: FinishedBuild): Promise<boolean> {
  const rows = await client`
    select from jobs where id = ${attempt.jobId} and status = 'SUCCEEDED' and worker = ${attempt.worker}
      and attempts = ${attempt.attempt} and build_id = ${build.buildId}`;
  return rows.length > 0;
}
