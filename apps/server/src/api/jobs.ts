import { StarlingError } from '@starling/shared/errors.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { isTerminalJobStatus, jobStatuses, projectName } from '@starling/shared/words.ts';
import { and, asc, desc, eq, gt, like, lt, or, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { jobLogPieces, jobStageTimes, jobs } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import type { Database } from '../db/connect.ts';
import { newestOf } from '../db/newest-of.ts';
import { cancelJob } from '../jobs/cancel.ts';
import { createJob, refuseOtherInput } from '../jobs/create.ts';
import { hasStatus, isInGroup, jobGroups } from '../jobs/open-jobs.ts';
import { prioritiseJob } from '../jobs/prioritise.ts';
import { retryJob } from '../jobs/retry.ts';
import type { ApiDependencies } from './context.ts';
import { jobColumns } from './job-columns.ts';
import { findProject } from './projects.ts';
import { ofJob, ofProject, somewhere, visibleNames, within } from './scopes.ts';
import { needs, router } from './trpc.ts';

const jobId = z.number().int().positive();
const priority = z.number().int().min(-100).max(100);

async function findJob(database: Database, id: number) {
  const [job] = await database.select(jobColumns).from(jobs).where(eq(jobs.id, id));
  if (!job)
    throw new StarlingError('NOT_FOUND', `There is no job ${id}.`, {
      field: 'id',
      fix: 'List them with: starling jobs',
    });
  return job;
}

const attemptsOf = ({ limits }: Pick<ApiDependencies, 'limits'>) => ({
  maxAttempts: limits.maxAttempts,
  deadlineMs: limits.buildDeadlineMs,
});

/** Where a reader of a log is: after this piece. */
const logPosition = z.object({ attempt: z.number().int().nonnegative(), sequence: z.number().int().min(-1) });
const logStart = { attempt: 0, sequence: -1 };
const mostPiecesAtOnce = 200;

async function readLog(database: Database, id: number, after: z.infer<typeof logPosition>) {
  return database
    .select({ attempt: jobLogPieces.attempt, sequence: jobLogPieces.sequence, text: jobLogPieces.text })
    .from(jobLogPieces)
    .where(
      and(
        eq(jobLogPieces.jobId, id),
        or(
          gt(jobLogPieces.attempt, after.attempt),
          and(eq(jobLogPieces.attempt, after.attempt), gt(jobLogPieces.sequence, after.sequence)),
        ),
      ),
    )
    .orderBy(asc(jobLogPieces.attempt), asc(jobLogPieces.sequence))
    .limit(mostPiecesAtOnce);
}

export const jobsRouter = router({
  /** Queues a build of a commit. A ref is settled to its SHA now, so that a later push changes nothing. */
  create: needs('build', ofProject)
    .input(
      z.object({
        project: projectName,
        /** A branch, tag or SHA; the project's default ref when left out. */
        ref: z.string().trim().min(1).max(255).optional(),
        /** Build it again although it is built or on its way. */
        force: z.boolean().default(false),
        /** Higher goes first; the project's own when left out. */
        priority: priority.optional(),
        /** Chosen by the caller: asked again with the same key, the same job, even with `force`. */
        idempotencyKey: z.string().trim().min(1).max(200).optional(),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const { database, caller } = ctx;
      const project = await findProject(database, input.project);
      const requestedRef = input.ref ?? project.defaultRef;
      const { idempotencyKey, priority } = input;
      if (idempotencyKey !== undefined) {
        // Before the ref is settled: asked again, it may name another commit, or its repository be away.
        const [known] = await database.select(jobColumns).from(jobs).where(eq(jobs.idempotencyKey, idempotencyKey));
        if (known) {
          refuseOtherInput(known, { project: project.name, ref: requestedRef, priority });
          return { ...known, created: false };
        }
      }
      const commitSha = await ctx.resolveRef(project.repositoryUrl, requestedRef);
      const settings = settingsOf(project.settings).builds;
      const { id, created } = await database.transaction(async (tx) => {
        const queued = await createJob(
          tx,
          {
            ...attemptsOf(ctx),
            project: project.name,
            commitSha,
            requestedRef,
            requestedBy: caller.name,
            repositoryUrl: project.repositoryUrl,
            binaryName: project.binaryName,
            workerLabels: settings.workerLabels,
            priority: priority ?? settings.priority,
            ...(idempotencyKey !== undefined && { idempotencyKey }),
          },
          input.force,
        );
        if (queued.created) {
          await recordAudit(tx, {
            actor: caller.name,
            action: 'job.create',
            project: project.name,
            target: String(queued.id),
            details: { commitSha, requestedRef, force: input.force, ...(priority !== undefined && { priority }) },
            requestId: ctx.requestId,
          });
        }
        return queued;
      });
      return { ...(await findJob(database, id)), created };
    }),

  /** Ends a job that has not ended yet; a running recipe is stopped. Doing it twice is harmless. */
  cancel: needs('build', ofJob)
    .input(z.object({ id: jobId, reason: z.string().trim().max(1_000).default('') }))
    .mutation(async ({ ctx, input }) => {
      const { project } = await findJob(ctx.database, input.id);
      const why = `cancelled by ${ctx.caller.name}${input.reason ? `: ${input.reason}` : ''}`;
      await ctx.database.transaction(async (tx) => {
        if (!(await cancelJob(tx, input.id, why))) return;
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'job.cancel',
          project,
          target: String(input.id),
          details: { reason: input.reason },
          requestId: ctx.requestId,
        });
      });
      return findJob(ctx.database, input.id);
    }),

  /** Gives a job that waits another priority, and so another place in the queue. PRECONDITION_FAILED when it waits no longer. */
  prioritise: needs('build', ofJob)
    .input(z.object({ id: jobId, /** Higher goes first. */ priority }))
    .mutation(async ({ ctx, input }) => {
      const job = await findJob(ctx.database, input.id);
      if (job.priority === input.priority && job.status === 'QUEUED') return job;
      await ctx.database.transaction(async (tx) => {
        if (!(await prioritiseJob(tx, job.id, input.priority)))
          throw new StarlingError(
            'PRECONDITION_FAILED',
            `Job ${job.id} does not wait: only a job that waits has a place in the queue.`,
            { fix: 'See what waits with: starling queue' },
          );
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'job.prioritise',
          project: job.project,
          target: String(job.id),
          details: { from: job.priority, to: input.priority },
          requestId: ctx.requestId,
        });
      });
      return findJob(ctx.database, job.id);
    }),

  /** Queues a new job for the commit of one that failed or was cancelled. Asked twice, the same new job. */
  retry: needs('build', ofJob)
    .input(z.object({ id: jobId }))
    .mutation(async ({ ctx, input }) => {
      const job = await findJob(ctx.database, input.id);
      const project = await findProject(ctx.database, job.project);
      const { id, created } = await ctx.database.transaction(async (tx) => {
        const queued = await retryJob(tx, job, {
          ...attemptsOf(ctx),
          requestedBy: ctx.caller.name,
          // As they are now: a repository that moved may be what the job failed for.
          repositoryUrl: project.repositoryUrl,
          binaryName: project.binaryName,
          workerLabels: settingsOf(project.settings).builds.workerLabels,
        });
        if (queued.created) {
          await recordAudit(tx, {
            actor: ctx.caller.name,
            action: 'job.retry',
            project: job.project,
            target: String(job.id),
            details: { newJob: queued.id, commitSha: job.commitSha },
            requestId: ctx.requestId,
          });
        }
        return queued;
      });
      return { ...(await findJob(ctx.database, id)), created };
    }),

  /** Newest first; `before` is the id of the last one of the page before. */
  list: needs('view', somewhere)
    .input(
      z.object({
        project: projectName.optional(),
        status: z.enum(jobStatuses).optional(),
        /** Those that wait or run; those that failed or were cancelled. */
        group: z.enum(jobGroups).optional(),
        /** Who asked for it, as shown. */
        requestedBy: z.string().trim().min(1).max(300).optional(),
        /** The beginning of a commit's SHA. */
        commit: z
          .string()
          .regex(/^[0-9a-f]{4,64}$/, 'a commit is named by 4 or more hexadecimal digits')
          .optional(),
        before: jobId.optional(),
        limit: z.number().int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => {
      const conditions: SQL[] = [];
      if (input.status) conditions.push(hasStatus(input.status));
      if (input.group) conditions.push(isInGroup(input.group));
      if (input.requestedBy) conditions.push(eq(jobs.requestedBy, input.requestedBy));
      if (input.commit) conditions.push(like(jobs.commitSha, `${input.commit}%`));
      if (input.before) conditions.push(lt(jobs.id, input.before));
      const wanted = within(visibleNames(ctx.caller), input.project);
      if (wanted) {
        const newest = { conditions: [...conditions], newestFirst: [jobs.id], limit: input.limit };
        conditions.push(newestOf(jobs, jobs, wanted, newest));
      }
      return ctx.reader.read((database) =>
        database
          .select(jobColumns)
          .from(jobs)
          .where(and(...conditions))
          .orderBy(desc(jobs.id))
          .limit(input.limit),
      );
    }),

  get: needs('view', ofJob)
    .input(z.object({ id: jobId }))
    .query(async ({ ctx, input }) => {
      const job = await findJob(ctx.database, input.id);
      const stages = await ctx.database
        .select()
        .from(jobStageTimes)
        .where(eq(jobStageTimes.jobId, job.id))
        .orderBy(asc(jobStageTimes.attempt), asc(jobStageTimes.startedAt));
      return { ...job, stages };
    }),

  /** Part of the log after a position; `ended` when the job is over and nothing follows. */
  readLog: needs('view', ofJob)
    .input(z.object({ id: jobId, after: logPosition.default(logStart) }))
    .query(async ({ ctx, input }) => {
      const { status } = await findJob(ctx.database, input.id);
      const pieces = await readLog(ctx.database, input.id, input.after);
      return { pieces, ended: isTerminalJobStatus(status) && pieces.length < mostPiecesAtOnce };
    }),

  /** The log from a position on, as it is written; ends when the job is over and all has been said. */
  followLog: needs('view', ofJob)
    .input(z.object({ id: jobId, after: logPosition.default(logStart) }))
    .subscription(async function* ({ ctx, input, signal }) {
      let after = input.after;
      let wake = () => {};
      const unsubscribe = ctx.changes.subscribe((topic) => {
        if (topic === 'jobs') wake();
      });
      try {
        while (!signal?.aborted) {
          const changed = new Promise<void>((resolve) => {
            wake = resolve;
          });
          const { status } = await findJob(ctx.database, input.id);
          const pieces = await readLog(ctx.database, input.id, after);
          for (const piece of pieces) yield piece;
          const last = pieces.at(-1);
          if (last) after = { attempt: last.attempt, sequence: last.sequence };
          if (pieces.length === mostPiecesAtOnce) continue;
          if (isTerminalJobStatus(status)) return;
          // The sleep is the safety net under a lost notice.
          await Promise.race([changed, ctx.clock.sleep(2_000, signal)]);
        }
      } finally {
        unsubscribe();
      }
    }),
});
