import { randomBytes } from 'node:crypto';
import { StarlingError } from '@starling/shared/errors.ts';
import { type DeploymentKind, projectName } from '@starling/shared/words.ts';
import { and, desc, eq, lt, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import { builds, deployments, machines, replicas } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { type Build, currentAndLastGood, findBuild, regionNames, whyNotDeployable } from './builds.ts';
import type { Caller, Context } from './context.ts';
import { deploymentMachinesByRegion, deploymentMachinesList } from './deployment-machines.ts';
import { findProject } from './projects.ts';
import { ofDeployment, ofProject, somewhere, visibleIn } from './scopes.ts';
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
  /** Puts a build on every machine. Refused unless every region has it, and while another deployment runs. */
  deploy: needs('deploy', ofProject)
    .input(
      z.object({
        project: projectName,
        /** A build id, or the first digits of its commit's SHA. */
        build: z.string().min(4).max(200),
        reason: reason.default(''),
        /** Take the place of a deployment that is still running. */
        replace: z.boolean().default(false),
      }),
    )
    .mutation(({ ctx, input }) =>
      start(ctx, input.project, async (tx) => ({
        build: await findBuild(tx, input.project, input.build),
        kindFrom: () => 'DEPLOY',
        reason: input.reason,
        replace: input.replace,
      })),
    ),

  /** Goes back (or forward again) to a build that is already there. Takes the place of whatever runs. */
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
        replace: true,
      })),
    ),

  /** Stops a running deployment: machines go back to what was stable. Doing it twice is harmless. */
  abort: needs('deploy', ofDeployment)
    .input(z.object({ id: deploymentId, reason: reason.default('') }))
    .mutation(async ({ ctx, input }) => {
      await findDeployment(ctx.database, input.id);
      await ctx.database.transaction(async (tx) => {
        await end(tx, input.id, 'ABORTED', `aborted by ${ctx.caller.name}${input.reason ? `: ${input.reason}` : ''}`);
        await announce(tx, 'deployments');
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
      const conditions: (SQL | undefined)[] = [visibleIn(ctx.caller, deployments.project)];
      if (input.project) conditions.push(eq(deployments.project, input.project));
      if (input.before) conditions.push(lt(deployments.id, input.before));
      const rows = await ctx.database
        .select({ deployment: deployments, commitSha: builds.commitSha, commitSubject: builds.commitSubject })
        .from(deployments)
        .innerJoin(builds, eq(builds.id, deployments.buildId))
        .where(and(...conditions))
        .orderBy(desc(deployments.id))
        .limit(input.limit);
      return rows.map(({ deployment, ...build }) => ({ ...deployment, ...build }));
    }),

  /** One deployment with what the machines confirmed, region by region. */
  get: needs('view', ofDeployment)
    .input(z.object({ id: deploymentId }))
    .query(async ({ ctx, input }) => {
      const deployment = await findDeployment(ctx.database, input.id);
      const [build] = await ctx.database.select().from(builds).where(eq(builds.id, deployment.buildId));
      const regions = await deploymentMachinesByRegion(ctx.database, deployment);
      return { ...deployment, build: build!, regions };
    }),

  machines: needs('view', ofDeployment)
    .input(
      z.object({
        id: deploymentId,
        region: z.string().max(63).optional(),
        after: z.string().max(128).optional(),
        limit: z.number().int().min(1).max(500).default(100),
      }),
    )
    .query(async ({ ctx, input }) => {
      await findDeployment(ctx.database, input.id);
      return deploymentMachinesList(ctx.database, input.id, input);
    }),
});

interface Plan {
  build: Build;
  kindFrom: (to: Build, from: Build | undefined) => DeploymentKind;
  reason: string;
  replace: boolean;
}

/** Records a deployment. The controller turns it into version keys; it does so even if this server dies right here. */
async function start(
  ctx: Context & { caller: Caller },
  project: string,
  plan: (tx: Transaction) => Promise<Plan>,
): Promise<Deployment> {
  await findProject(ctx.database, project);
  const deployment = await ctx.database.transaction(async (tx) => {
    // Two people who deploy the same project at once take turns here; the second sees what the first did.
    await tx.execute(sql`select 1 from projects where name = ${project} for update`);
    const { build, kindFrom, reason: why, replace } = await plan(tx);
    const ofBuild = await tx.select().from(replicas).where(eq(replicas.buildId, build.id));
    const missing = whyNotDeployable(ofBuild, await regionNames(tx));
    if (missing) {
      throw new StarlingError('PRECONDITION_FAILED', `${build.id} cannot be deployed yet: ${missing}.`, {
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
    const [running] = await tx
      .select()
      .from(deployments)
      .where(and(eq(deployments.project, project), eq(deployments.status, 'RUNNING')));
    if (running && !replace) {
      throw new StarlingError(
        'CONFLICT',
        `Deployment ${running.id} of ${running.buildId} by ${running.requestedBy} is still running.`,
        {
          fix: 'Wait for it, abort it, or ask to replace it.',
        },
      );
    }
    const { current } = await currentAndLastGood(tx, project);
    const from = current ? await findBuild(tx, project, current) : undefined;
    if (running) await end(tx, running.id, 'SUPERSEDED', `a newer deployment by ${ctx.caller.name} took its place`);
    const [row] = await tx
      .insert(deployments)
      .values({
        project,
        buildId: build.id,
        kind: kindFrom(build, from),
        previousBuildId: from?.id ?? null,
        requestedBy: ctx.caller.name,
        reason: why,
        status: 'RUNNING',
        startedAt: new Date(ctx.clock.now()),
        salt: randomBytes(12).toString('base64url'),
      })
      .returning();
    await announce(tx, 'deployments');
    return row!;
  });
  return deployment;
}

async function end(tx: Transaction, id: number, status: 'ABORTED' | 'SUPERSEDED', outcome: string): Promise<void> {
  await tx
    .update(deployments)
    .set({ status, outcome, finishedAt: sql`now()` })
    .where(and(eq(deployments.id, id), eq(deployments.status, 'RUNNING')));
}

async function lastGood(tx: Transaction, project: string): Promise<string> {
  const { lastGood: build } = await currentAndLastGood(tx, project);
  if (build) return build;
  throw new StarlingError('PRECONDITION_FAILED', `${project} has no earlier build that ran well.`, {
    field: 'build',
    fix: `Name a build to go back to; list them with: starling builds ${project}`,
  });
}
