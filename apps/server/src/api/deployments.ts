import { StarlingError } from '@starling/shared/errors.ts';
import { allows } from '@starling/shared/permissions.ts';
import { rolloutSettings } from '@starling/shared/rollout-plan.ts';
import { gateNames, projectName, whenBusyChoices } from '@starling/shared/words.ts';
import { and, asc, desc, eq, getTableColumns, isNotNull, lt, ne, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import { approvals, builds, deploymentGates, deployments, measurements } from '../../../../drizzle/schema/index.ts';
import { describeStage, stageOf } from '../analysis/stages.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { newestOf } from '../db/newest-of.ts';
import { machineStates } from '../fleet/machine-states.ts';
import { endWaiting } from '../gates/begin.ts';
import { gateFacts } from '../gates/facts.ts';
import { judge } from '../gates/judge.ts';
import { lineStopOf } from '../steering/line.ts';
import { nextSalt, planFor, previewWaves } from '../steering/plan.ts';
import { liftQuarantine, quarantineOf } from '../steering/quarantine.ts';
import { buildReference, currentAndLastGood, findBuild } from './builds.ts';
import type { Caller } from './context.ts';
import { deploymentColumns } from './deployment-columns.ts';
import { deploymentBurnUp, deploymentMachinesByRegion, deploymentMachinesList } from './deployment-machines.ts';
import { steeringProcedures } from './deployment-steering.ts';
import { findProject } from './projects.ts';
import { ofDeployment, ofProject, somewhere, visibleNames, within } from './scopes.ts';
import { type Deployment, startDeployment } from './start-deployment.ts';
import { needs, router } from './trpc.ts';

const deploymentId = z.number().int().positive();
const reason = z.string().trim().max(1_000);

async function findDeployment(database: Database, id: number): Promise<Deployment> {
  const [deployment] = await database.select().from(deployments).where(eq(deployments.id, id));
  if (!deployment) throw new StarlingError('NOT_FOUND', `There is no deployment ${id}.`, { field: 'id' });
  return deployment;
}

export const deploymentsRouter = router({
  ...steeringProcedures,

  /**
   * Puts a build on every machine, once its gates are passed: at once where there are none. Refused unless every region has
   * it; `whenBusy` says what to do while another deployment of the project runs.
   */
  deploy: needs('deploy', ofProject)
    .input(
      z.object({
        project: projectName,
        /** A build id, or the first digits of its commit's SHA. */
        build: buildReference,
        reason: reason.default(''),
        whenBusy: z.enum(whenBusyChoices).default('REFUSE'),
        /** Passes freeze windows; needs the permission to approve, and a reason. */
        hotfix: z.boolean().default(false),
        /** How it reaches the machines, over what the build and the project say. */
        rollout: rolloutSettings.default({}),
      }),
    )
    .mutation(({ ctx, input }) => {
      if (input.hotfix) insistHotfix(ctx.caller, input.project, input.reason);
      return startDeployment(ctx, input.project, async (tx) => ({
        build: await findBuild(tx, input.project, input.build),
        kindFrom: () => 'DEPLOY',
        reason: input.reason,
        whenBusy: input.whenBusy,
        hotfix: input.hotfix,
        rollout: input.rollout,
      }));
    }),

  /** The waves that a deployment would go in, and which machines each would add now. Changes nothing. */
  preview: needs('view', ofProject)
    .input(
      z.object({
        project: projectName,
        build: buildReference,
        rollout: rolloutSettings.default({}),
      }),
    )
    .query(async ({ ctx, input }) => {
      const build = await findBuild(ctx.database, input.project, input.build);
      const plan = await planFor(ctx.database, build.id, input.rollout);
      const salt = await nextSalt(ctx.database, input.project, build.id);
      const quarantined = await quarantineOf(ctx.database, build.id);
      return {
        plan,
        ...(await previewWaves(ctx.database, plan, salt)),
        quarantined: quarantined ? { reason: quarantined.reason, by: quarantined.createdBy } : null,
      };
    }),

  /** Which gates a deployment would meet now, and how each stands. Changes nothing. */
  gates: needs('view', ofProject)
    .input(
      z.object({
        project: projectName,
        build: buildReference,
        whenBusy: z.enum(whenBusyChoices).default('REFUSE'),
        hotfix: z.boolean().default(false),
      }),
    )
    .query(async ({ ctx, input }) => {
      await findProject(ctx.database, input.project);
      const build = await findBuild(ctx.database, input.project, input.build);
      const { project, whenBusy, hotfix } = input;
      const proposal = {
        project,
        buildId: build.id,
        kind: 'DEPLOY',
        requestedBy: ctx.caller.name,
        hotfix,
        whenBusy,
      } as const;
      return judge(await gateFacts(ctx.database, proposal, undefined), ctx.clock.now());
    }),

  /** Goes back (or forward again) to a build that is already there. Takes the place of whatever runs or waits. */
  rollback: needs('deploy', ofProject)
    .input(
      z.object({
        project: projectName,
        /** Where to; the last good build when left out. */
        build: buildReference.optional(),
        reason: reason.default(''),
      }),
    )
    .mutation(({ ctx, input }) =>
      startDeployment(ctx, input.project, async (tx) => ({
        build: await findBuild(tx, input.project, input.build ?? (await lastGood(tx, input.project))),
        kindFrom: (to, from) => (from && from.createdAt < to.createdAt ? 'ROLL_FORWARD' : 'ROLLBACK'),
        reason: input.reason,
        whenBusy: 'REPLACE',
        hotfix: false,
        rollout: {},
      })),
    ),

  /** Goes forward again to what ran before the last rollback, and lifts the quarantine of it. */
  undoRollback: needs('deploy', ofProject)
    .input(z.object({ project: projectName, reason: reason.min(1, 'say why the build may run again') }))
    .mutation(({ ctx, input }) =>
      startDeployment(ctx, input.project, async (tx) => {
        const build = await findBuild(tx, input.project, await beforeRollback(tx, input.project));
        const lifted = await liftQuarantine(tx, { build: build.id }, ctx.caller.name, input.reason);
        if (lifted.length > 0) {
          await recordAudit(tx, {
            actor: ctx.caller.name,
            action: 'quarantine.lift',
            project: input.project,
            target: build.id,
            details: { reason: input.reason },
            requestId: ctx.requestId,
          });
        }
        return {
          build,
          kindFrom: () => 'ROLL_FORWARD',
          reason: input.reason,
          whenBusy: 'REPLACE',
          hotfix: false,
          rollout: {},
        };
      }),
    ),

  /** Stops a deployment: one that runs goes back to what was stable, one that waits never begins. Twice is harmless. */
  abort: needs('deploy', ofDeployment)
    .input(z.object({ id: deploymentId, reason: reason.default('') }))
    .mutation(async ({ ctx, input }) => {
      const { project } = await findDeployment(ctx.database, input.id);
      await ctx.database.transaction(async (tx) => {
        const outcome = `aborted by ${ctx.caller.name}${input.reason ? `: ${input.reason}` : ''}`;
        const ended = (await endWaiting(tx, input.id, 'ABORTED', outcome)) || (await endRunning(tx, input.id, outcome));
        if (!ended) return;
        // A rollback that is called off makes what it went away from stable again.
        await liftQuarantine(tx, { deployment: input.id }, ctx.caller.name, outcome);
        await announce(tx, 'deployments');
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'deployment.abort',
          project,
          target: String(input.id),
          details: { reason: input.reason },
          requestId: ctx.requestId,
        });
      });
      return findDeployment(ctx.database, input.id);
    }),

  list: needs('view', somewhere)
    .input(
      z.object({
        project: projectName.optional(),
        before: deploymentId.optional(),
        limit: z.number().int().min(1).max(200).default(50),
      }),
    )
    .query(async ({ ctx, input }) => {
      const conditions: SQL[] = [];
      if (input.before) conditions.push(lt(deployments.id, input.before));
      const wanted = within(visibleNames(ctx.caller), input.project);
      if (wanted) {
        const newest = { conditions: [...conditions], newestFirst: [deployments.id], limit: input.limit };
        conditions.push(newestOf(deployments, deployments, wanted, newest));
      }
      const rows = await ctx.reader.read((database) =>
        database
          .select({
            deployment: deploymentColumns,
            commitSha: builds.commitSha,
            commitSubject: builds.commitSubject,
          })
          .from(deployments)
          .innerJoin(builds, eq(builds.id, deployments.buildId))
          .where(and(...conditions))
          .orderBy(desc(deployments.id))
          .limit(input.limit),
      );
      return rows.map(({ deployment, ...build }) => ({ ...deployment, ...build }));
    }),

  /** One deployment with what the machines confirmed, region by region. */
  get: needs('view', ofDeployment)
    .input(z.object({ id: deploymentId }))
    .query(async ({ ctx, input }) => {
      const deployment = await findDeployment(ctx.database, input.id);
      const [build] = await ctx.database.select().from(builds).where(eq(builds.id, deployment.buildId));
      const regions = await deploymentMachinesByRegion(ctx.database, deployment);
      const gates = await ctx.database
        .select({
          gate: deploymentGates.gate,
          status: deploymentGates.status,
          detail: deploymentGates.detail,
          changedAt: deploymentGates.changedAt,
        })
        .from(deploymentGates)
        .where(eq(deploymentGates.deployment, deployment.id));
      gates.sort((a, b) => gateNames.indexOf(a.gate) - gateNames.indexOf(b.gate));
      const voices = await ctx.database
        .select()
        .from(approvals)
        .where(eq(approvals.deployment, deployment.id))
        .orderBy(asc(approvals.at));
      const stop = deployment.status === 'RUNNING' ? await lineStopOf(ctx.database, deployment.project) : undefined;
      const stage = deployment.plan?.analysis ? await stageOf(ctx.database, deployment.id) : undefined;
      const isHeld = stop !== undefined && deployment.kind !== 'ROLLBACK' && !deployment.hotfix;
      return {
        ...deployment,
        build: build!,
        regions,
        gates,
        approvals: voices,
        /** What is being checked now: before wave `wave` begins, or while it bakes; null when nothing is. */
        checking: stage ? describeStage(stage) : null,
        /** Who stopped the line that it waits for, and why; null when it does not. */
        stopped: isHeld ? { by: stop.stoppedBy, reason: stop.reason } : null,
      };
    }),

  /** What its checks measured, newest first. */
  measurements: needs('view', ofDeployment)
    .input(
      z.object({
        id: deploymentId,
        /** The last one of the page before. */
        before: z.number().int().positive().optional(),
        limit: z.number().int().min(1).max(500).default(100),
      }),
    )
    .query(async ({ ctx, input }) => {
      await findDeployment(ctx.database, input.id);
      const { deployment: _, ...columns } = getTableColumns(measurements);
      return ctx.database
        .select(columns)
        .from(measurements)
        .where(
          and(
            eq(measurements.deployment, input.id),
            input.before === undefined ? undefined : lt(measurements.id, input.before),
          ),
        )
        .orderBy(desc(measurements.id))
        .limit(input.limit);
    }),

  /** Its machines and what each said; `state` is as in `machines.list`, `behind` for those that are still at it. */
  machines: needs('view', ofDeployment)
    .input(
      z.object({
        id: deploymentId,
        region: z.string().max(63).optional(),
        /** How its name begins. */
        find: z.string().max(128).optional(),
        state: z.enum(machineStates).optional(),
        order: z.enum(['worst', 'name']).default('name'),
        /** The last one of the page before; with `worst`, its `state` too. */
        after: z.string().max(128).optional(),
        afterState: z.enum(machineStates).optional(),
        limit: z.number().int().min(1).max(500).default(100),
      }),
    )
    .query(async ({ ctx, input }) => {
      const deployment = await findDeployment(ctx.database, input.id);
      const { region, find, order, state, limit } = input;
      const after = input.after === undefined ? undefined : { machine: input.after, state: input.afterState };
      const page = { order, state, after, limit };
      return ctx.reader.read((database) => deploymentMachinesList(database, deployment, { region, find }, page));
    }),

  /** When how many machines were done: at most 120 points. */
  burnUp: needs('view', ofDeployment)
    .input(z.object({ id: deploymentId }))
    .query(async ({ ctx, input }) => {
      await findDeployment(ctx.database, input.id);
      return ctx.reader.read((database) => deploymentBurnUp(database, input.id));
    }),
});

/** Whoever passes a freeze answers for it: not every deployer may, and never without a reason. */
function insistHotfix(caller: Caller, project: string, why: string): void {
  const grants = caller.kind === 'person' ? caller.grants : [];
  if (!allows(grants, 'approve', project)) {
    throw new StarlingError(
      'FORBIDDEN',
      `${caller.name} may not pass a freeze: it needs the permission "approve" too.`,
      {
        field: 'hotfix',
        fix: 'Ask an approver or an administrator of the project to deploy it.',
      },
    );
  }
  if (why !== '') return;
  throw new StarlingError('INVALID_INPUT', 'reason: a hotfix needs one', {
    field: 'reason',
    fix: 'Say why it cannot wait.',
  });
}

async function endRunning(tx: Transaction, id: number, outcome: string): Promise<boolean> {
  const rows = await tx
    .update(deployments)
    .set({ status: 'ABORTED', outcome, finishedAt: sql`now()` })
    .where(and(eq(deployments.id, id), eq(deployments.status, 'RUNNING')))
    .returning({ id: deployments.id });
  return rows.length > 0;
}

async function lastGood(tx: Transaction, project: string): Promise<string> {
  const { lastGood: build } = await currentAndLastGood(tx, project);
  if (build) return build;
  throw new StarlingError('PRECONDITION_FAILED', `${project} has no earlier build that ran well.`, {
    field: 'build',
    fix: `Name a build to go back to; list them with: starling builds ${project}`,
  });
}

/** What ran before the rollback that holds; PRECONDITION_FAILED when the project's last deployment is none. */
async function beforeRollback(tx: Transaction, project: string): Promise<string> {
  const [newest] = await tx
    .select()
    .from(deployments)
    .where(and(eq(deployments.project, project), isNotNull(deployments.startedAt), ne(deployments.status, 'ABORTED')))
    .orderBy(desc(deployments.startedAt), desc(deployments.id))
    .limit(1);
  const left = newest?.kind === 'ROLLBACK' && newest.previousBuildId;
  if (left && left !== newest.buildId) return left;
  throw new StarlingError('PRECONDITION_FAILED', `The last deployment of ${project} is no rollback.`, {
    field: 'project',
    fix: `Name the build that is to run: starling rollback ${project} <build>`,
  });
}
