import { randomBytes } from 'node:crypto';
import { StarlingError } from '@starling/shared/errors.ts';
import { allows } from '@starling/shared/permissions.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { type DeploymentKind, gateNames, projectName, type WhenBusy, whenBusyChoices } from '@starling/shared/words.ts';
import { and, asc, desc, eq, inArray, lt, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import {
  approvals,
  builds,
  deploymentGates,
  deployments,
  machines,
  projects,
  replicas,
} from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { newestOf } from '../db/newest-of.ts';
import { machineStates } from '../fleet/machine-states.ts';
import { advance, endWaiting } from '../gates/begin.ts';
import { gateFacts } from '../gates/facts.ts';
import { judge } from '../gates/judge.ts';
import { insistKept } from '../retention/expiry.ts';
import { planTasks } from '../tasks/phases.ts';
import { type Build, currentAndLastGood, findBuild, regionNames, whyNotDeployable } from './builds.ts';
import type { Caller, Context } from './context.ts';
import { deploymentBurnUp, deploymentMachinesByRegion, deploymentMachinesList } from './deployment-machines.ts';
import { findProject } from './projects.ts';
import { ofDeployment, ofProject, somewhere, visibleNames, within } from './scopes.ts';
import { needs, router } from './trpc.ts';

const deploymentId = z.number().int().positive();
const reason = z.string().trim().max(1_000);
type Deployment = typeof deployments.$inferSelect;

async function findDeployment(database: Database, id: number): Promise<Deployment> {
  const [deployment] = await database.select().from(deployments).where(eq(deployments.id, id));
  if (!deployment) throw new StarlingError('NOT_FOUND', `There is no deployment ${id}.`, { field: 'id' });
  return deployment;
}

export const deploymentsRouter = router({
  /**
   * Puts a build on every machine, once its gates are passed: at once where there are none. Refused unless every region has
   * it; `whenBusy` says what to do while another deployment of the project runs.
   */
  deploy: needs('deploy', ofProject)
    .input(
      z.object({
        project: projectName,
        /** A build id, or the first digits of its commit's SHA. */
        build: z.string().min(4).max(200),
        reason: reason.default(''),
        whenBusy: z.enum(whenBusyChoices).default('REFUSE'),
        /** Passes freeze windows; needs the permission to approve, and a reason. */
        hotfix: z.boolean().default(false),
      }),
    )
    .mutation(({ ctx, input }) => {
      if (input.hotfix) insistHotfix(ctx.caller, input.project, input.reason);
      return start(ctx, input.project, async (tx) => ({
        build: await findBuild(tx, input.project, input.build),
        kindFrom: () => 'DEPLOY',
        reason: input.reason,
        whenBusy: input.whenBusy,
        hotfix: input.hotfix,
      }));
    }),

  /** Which gates a deployment would meet now, and how each stands. Changes nothing. */
  gates: needs('view', ofProject)
    .input(
      z.object({
        project: projectName,
        build: z.string().min(4).max(200),
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
        build: z.string().min(4).max(200).optional(),
        reason: reason.default(''),
      }),
    )
    .mutation(({ ctx, input }) =>
      start(ctx, input.project, async (tx) => ({
        build: await findBuild(tx, input.project, input.build ?? (await lastGood(tx, input.project))),
        kindFrom: (to, from) => (from && from.createdAt < to.createdAt ? 'ROLL_FORWARD' : 'ROLLBACK'),
        reason: input.reason,
        whenBusy: 'REPLACE',
        hotfix: false,
      })),
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
          .select({ deployment: deployments, commitSha: builds.commitSha, commitSubject: builds.commitSubject })
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
      return { ...deployment, build: build!, regions, gates, approvals: voices };
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

interface Plan {
  build: Build;
  kindFrom: (to: Build, from: Build | undefined) => DeploymentKind;
  reason: string;
  whenBusy: WhenBusy;
  hotfix: boolean;
}

/** More deployments of one project than this do not wait for one another. */
const mostWaiting = 20;

/**
 * Records a deployment and takes it as far as its gates let it. The controller turns it into version keys; it does so even
 * if this server dies right here.
 */
async function start(
  ctx: Context & { caller: Caller },
  project: string,
  plan: (tx: Transaction) => Promise<Plan>,
): Promise<Deployment> {
  await findProject(ctx.database, project);
  const id = await ctx.database.transaction(async (tx) => {
    // Two people who deploy the same project at once take turns here; the second sees what the first did.
    await tx.execute(sql`select 1 from projects where name = ${project} for update`);
    const { build, kindFrom, reason: why, whenBusy, hotfix } = await plan(tx);
    await insistKept(tx, build);
    const obstacle = await whyNotNow(tx, build.id);
    if (obstacle) {
      throw new StarlingError('PRECONDITION_FAILED', `${build.id} cannot be deployed yet: ${obstacle}.`, {
        field: 'build',
        fix: 'Wait until it is replicated everywhere, or mend the region that is missing.',
      });
    }
    const [anyMachine] = await tx.select({ id: machines.id }).from(machines).limit(1);
    if (!anyMachine) {
      throw new StarlingError('PRECONDITION_FAILED', 'There is no machine to deploy to: no agent has connected yet.', {
        fix: 'Start an agent on a machine of a region; docs/how-to/run-on-real-machines.md says how.',
      });
    }
    await insistNotBusy(tx, project, whenBusy);
    const { current } = await currentAndLastGood(tx, project);
    const from = current ? await findBuild(tx, project, current) : undefined;
    const [row] = await tx
      .insert(deployments)
      .values({
        project,
        buildId: build.id,
        kind: kindFrom(build, from),
        previousBuildId: from?.id ?? null,
        requestedBy: ctx.caller.name,
        reason: why,
        whenBusy,
        hotfix,
        status: 'WAITING',
        salt: randomBytes(12).toString('base64url'),
      })
      .returning();
    const [owner] = await tx.select({ settings: projects.settings }).from(projects).where(eq(projects.name, project));
    await planTasks(tx, { deployment: row!, settings: settingsOf(owner?.settings) });
    await announce(tx, 'deployments');
    const status = await advance(tx, {
      deployment: row!,
      review: undefined,
      nowMs: ctx.clock.now(),
      whyNot: (inner, { buildId }) => whyNotNow(inner, buildId),
    });
    await recordAudit(tx, {
      actor: ctx.caller.name,
      action: 'deployment.start',
      project,
      target: String(row!.id),
      details: { build: build.id, kind: row!.kind, from: from?.id ?? null, whenBusy, hotfix, status, reason: why },
      requestId: ctx.requestId,
    });
    return row!.id;
  });
  return findDeployment(ctx.database, id);
}

/** Why a build cannot go to every region now, in a sentence; null when it can. */
export async function whyNotNow(where: Transaction, buildId: string): Promise<string | null> {
  const ofBuild = await where.select().from(replicas).where(eq(replicas.buildId, buildId));
  return whyNotDeployable(ofBuild, await regionNames(where));
}

/** What whoever comes second is told, as they asked for. */
async function insistNotBusy(tx: Transaction, project: string, whenBusy: WhenBusy): Promise<void> {
  const others = await tx
    .select()
    .from(deployments)
    .where(and(eq(deployments.project, project), inArray(deployments.status, ['RUNNING', 'WAITING'])));
  const running = others.find(({ status }) => status === 'RUNNING');
  if (running && whenBusy === 'REFUSE') {
    throw new StarlingError(
      'CONFLICT',
      `Deployment ${running.id} of ${running.buildId} by ${running.requestedBy} is still running.`,
      { fix: 'Wait for it, abort it, or ask to queue behind it or to replace it.' },
    );
  }
  const waiting = others.filter(({ status }) => status === 'WAITING');
  if (waiting.length >= mostWaiting && whenBusy !== 'REPLACE') {
    throw new StarlingError('CONFLICT', `${waiting.length} deployments of ${project} are waiting already.`, {
      fix: 'Abort those that are not wanted any more; list them with: starling deployments',
    });
  }
}

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
