import { StarlingError } from '@starling/shared/errors.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { checksOf, type RolloutSettings } from '@starling/shared/rollout-plan.ts';
import type { DeploymentKind, WhenBusy } from '@starling/shared/words.ts';
import { and, eq, inArray, sql } from 'drizzle-orm';
import { deployments, machines, projects, replicas } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Transaction } from '../db/connect.ts';
import { advance } from '../gates/begin.ts';
import { insistKept } from '../retention/expiry.ts';
import { nextSalt, planFor, previewWaves } from '../steering/plan.ts';
import { quarantineOf } from '../steering/quarantine.ts';
import { planTasks } from '../tasks/phases.ts';
import { type Build, currentAndLastGood, findBuild, regionNames, whyNotDeployable } from './builds.ts';
import type { Caller, Context } from './context.ts';
import { findProject } from './projects.ts';

export type Deployment = typeof deployments.$inferSelect;

/** What is asked for. */
export interface Plan {
  build: Build;
  kindFrom: (to: Build, from: Build | undefined) => DeploymentKind;
  reason: string;
  whenBusy: WhenBusy;
  hotfix: boolean;
  rollout: RolloutSettings;
}

/** More deployments of one project than this do not wait for one another. */
const mostWaiting = 20;

/**
 * Records a deployment and takes it as far as its gates let it. The controller turns it into version keys; it does so even
 * if this server dies right here.
 */
export async function startDeployment(
  ctx: Context & { caller: Caller },
  project: string,
  plan: (tx: Transaction) => Promise<Plan>,
): Promise<Deployment> {
  await findProject(ctx.database, project);
  const id = await ctx.database.transaction(async (tx) => {
    // Two people who deploy the same project at once take turns here; the second sees what the first did.
    await tx.execute(sql`select 1 from projects where name = ${project} for update`);
    const { build, kindFrom, reason: why, whenBusy, hotfix, rollout } = await plan(tx);
    await insistKept(tx, build);
    await insistNotQuarantined(tx, build);
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
    const kind = kindFrom(build, from);
    const salt = await nextSalt(tx, project, build.id);
    const waves = await wavesOf(tx, { kind, build, salt, rollout });
    const [row] = await tx
      .insert(deployments)
      .values({
        project,
        buildId: build.id,
        kind,
        previousBuildId: from?.id ?? null,
        requestedBy: ctx.caller.name,
        reason: why,
        whenBusy,
        hotfix,
        status: 'WAITING',
        salt,
        ...waves,
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
  const [row] = await ctx.database.select().from(deployments).where(eq(deployments.id, id));
  return row!;
}

/** Why a build cannot go to every region now, in a sentence; null when it can. */
export async function whyNotNow(where: Transaction, buildId: string): Promise<string | null> {
  const ofBuild = await where.select().from(replicas).where(eq(replicas.buildId, buildId));
  return whyNotDeployable(ofBuild, await regionNames(where));
}

/**
 * The plan of a deployment, and where it begins. What has proved itself goes to everyone at once: who goes back, or forward
 * again, is in a hurry.
 */
async function wavesOf(
  tx: Transaction,
  { kind, build, salt, rollout }: { kind: DeploymentKind; build: Build; salt: string; rollout: RolloutSettings },
) {
  const everyone = { plan: null, wave: 1, reach: null };
  if (kind === 'ROLLBACK' || (kind === 'ROLL_FORWARD' && (await hasProved(tx, build.id)))) return everyone;
  const plan = await planFor(tx, build.id, rollout);
  if (plan.waves.length === 1 && checksOf(plan, 'before').length === 0) return { ...everyone, plan };
  const { nobodyIn } = await previewWaves(tx, plan, salt);
  if (nobodyIn.length > 0) {
    throw new StarlingError('PRECONDITION_FAILED', `No machine that is online is in the wave ${nobodyIn[0]}.`, {
      field: 'rollout',
      fix: 'Give machines these labels, or deploy with other waves.',
    });
  }
  return { plan, wave: 0, reach: {} };
}

async function hasProved(tx: Transaction, buildId: string): Promise<boolean> {
  const [success] = await tx
    .select({ id: deployments.id })
    .from(deployments)
    .where(and(eq(deployments.buildId, buildId), eq(deployments.status, 'SUCCEEDED')))
    .limit(1);
  return success !== undefined;
}

async function insistNotQuarantined(tx: Transaction, { id }: Build): Promise<void> {
  const held = await quarantineOf(tx, id);
  if (!held) return;
  throw new StarlingError('PRECONDITION_FAILED', `${id} is in quarantine: ${held.reason} (${held.createdBy}).`, {
    field: 'build',
    fix: `Say why it may run again: starling quarantine lift ${id} --reason <why>`,
  });
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
