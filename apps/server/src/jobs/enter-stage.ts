import type { JobStage } from '@starling/shared/words.ts';
import type { Attempt } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';

/** Notes that the attempt has gone on to `stage`, which ends the stage before. */
export async function enterStage(database: Database, attempt: Attempt, stage: JobStage): Promise<void> {
  await database.$client`
    with held as (
      update jobs set stage = ${stage}::text
      where id = ${attempt.jobId} and status = 'RUNNING' and worker = ${attempt.worker}
        and attempts = ${attempt.attempt}
      returning id, attempts
    ), before as (
      update job_stage_times set finished_at = now() from held
      where job_id = held.id and attempt = held.attempts and finished_at is null and job_stage_times.stage <> ${stage}::text
    )
    insert into job_stage_times (job_id, attempt, stage, started_at)
    select id, attempts, ${stage}::text, now() from held
    on conflict do nothing`;
  announceSoon(database, 'jobs');
}
