import type { GateName } from '@starling/shared/words.ts';
import { and, desc, eq, inArray, isNotNull, ne, notInArray, sql } from 'drizzle-orm';
import { deploymentGates, deployments } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Transaction } from '../db/connect.ts';
import { quarantine } from '../steering/quarantine.ts';
import { releaseTasks, skipTasks } from '../tasks/phases.ts';
import { type Deployment, gateFacts } from './facts.ts';
import { type GateResult, judge, mayBegin, mayRunTasks, type ReviewVerdict, refusalIn } from './judge.ts';

/** Why it cannot begin although its gates are open, in a sentence; null when it can. */
export type WhyNot = (tx: Transaction, deployment: Deployment) => Promise<string | null>;

export interface Advance {
  deployment: Deployment;
  review: ReviewVerdict | undefined;
  nowMs: number;
  whyNot: WhyNot;
}

/**
 * Takes a WAITING deployment as far as its gates let it: writes down how each stands, ends it when one refuses, runs its
 * tasks when only they are left, begins it when all are passed. Call it in a transaction that holds the project's row
 * lock, so that of one project only one is decided at a time. Returns the status it has then.
 */
export async function advance(tx: Transaction, options: Advance): Promise<Deployment['status']> {
  const { deployment, review, nowMs, whyNot } = options;
  const gates = judge(await gateFacts(tx, deployment, review), nowMs);
  await writeGates(tx, deployment.id, gates);
  const refusal = refusalIn(gates);
  if (refusal) {
    // Nobody broke anything and nothing was touched: it was called off, as a person would have.
    await endWaiting(tx, deployment.id, 'ABORTED', `${refusal.gate}: ${refusal.detail}`);
    await audit(tx, deployment, 'deployment.refuse', { gate: refusal.gate, detail: refusal.detail });
    return 'ABORTED';
  }
  if (!mayBegin(gates)) {
    if (mayRunTasks(gates)) await releaseTasks(tx, deployment.id, 'BEFORE');
    return 'WAITING';
  }
  const obstacle = await whyNot(tx, deployment);
  if (obstacle !== null) {
    await writeGates(tx, deployment.id, [...gates, { gate: 'queue', status: 'WAITING', detail: obstacle }]);
    return 'WAITING';
  }
  await begin(tx, deployment, gates);
  return 'RUNNING';
}

async function begin(tx: Transaction, deployment: Deployment, gates: readonly GateResult[]): Promise<void> {
  const { project, id, requestedBy } = deployment;
  const isRollback = deployment.kind !== 'DEPLOY';
  const because = `a newer deployment by ${requestedBy} took its place`;
  const [before] = await tx
    .select({ build: deployments.buildId })
    .from(deployments)
    .where(
      and(
        eq(deployments.project, project),
        isNotNull(deployments.startedAt),
        inArray(deployments.status, ['RUNNING', 'SUCCEEDED']),
      ),
    )
    .orderBy(desc(deployments.startedAt), desc(deployments.id))
    .limit(1);
  await tx
    .update(deployments)
    .set({ status: 'SUPERSEDED', outcome: because, finishedAt: sql`now()` })
    .where(and(eq(deployments.project, project), eq(deployments.status, 'RUNNING')));
  if (isRollback) {
    // Whatever waited was meant for the state before; whoever still wants it asks again.
    const waiting = await tx
      .select({ id: deployments.id })
      .from(deployments)
      .where(and(eq(deployments.project, project), eq(deployments.status, 'WAITING'), ne(deployments.id, id)));
    for (const other of waiting) await endWaiting(tx, other.id, 'SUPERSEDED', because);
  }
  await tx
    .update(deployments)
    .set({ status: 'RUNNING', startedAt: sql`clock_timestamp()`, previousBuildId: before?.build ?? null })
    .where(and(eq(deployments.id, id), eq(deployments.status, 'WAITING')));
  await announce(tx, 'deployments');
  if (deployment.kind === 'ROLLBACK') await quarantineBefore(tx, deployment, before?.build);
  for (const bypassed of gates.filter(({ status }) => status === 'BYPASSED'))
    await audit(tx, deployment, `${bypassed.gate}.bypass`, { detail: bypassed.detail, reason: deployment.reason });
}

/** What a rollback goes away from: what ran, and what was tried last where that was taken back by itself already. */
async function quarantineBefore(tx: Transaction, rollback: Deployment, ran: string | undefined): Promise<void> {
  const { project, id, buildId, requestedBy } = rollback;
  const [tried] = await tx
    .select({ build: deployments.buildId })
    .from(deployments)
    .where(
      and(
        eq(deployments.project, project),
        isNotNull(deployments.startedAt),
        ne(deployments.id, id),
        ne(deployments.status, 'ABORTED'),
      ),
    )
    .orderBy(desc(deployments.startedAt), desc(deployments.id))
    .limit(1);
  const reason = rollback.reason || `${requestedBy} rolled back from it`;
  for (const bad of new Set([tried?.build, ran])) {
    if (bad === undefined || bad === buildId) continue;
    const row = { project, buildId: bad, deployment: id, reason, createdBy: requestedBy };
    if (await quarantine(tx, row)) await audit(tx, rollback, 'quarantine.add', { build: bad, reason });
  }
}

/** Ends a deployment that has not begun; its tasks are not run. */
export async function endWaiting(
  tx: Transaction,
  id: number,
  status: 'ABORTED' | 'SUPERSEDED',
  outcome: string,
): Promise<boolean> {
  const rows = await tx
    .update(deployments)
    .set({ status, outcome, finishedAt: sql`now()` })
    .where(and(eq(deployments.id, id), eq(deployments.status, 'WAITING')))
    .returning({ id: deployments.id });
  if (rows.length === 0) return false;
  await skipTasks(tx, id, outcome);
  await announce(tx, 'deployments');
  return true;
}

/** One row a gate; only what is new is written, so that readers see when something changed. */
async function writeGates(tx: Transaction, deployment: number, gates: readonly GateResult[]): Promise<void> {
  const names = gates.map(({ gate }) => gate);
  const unneeded = and(
    eq(deploymentGates.deployment, deployment),
    names.length > 0 ? notInArray(deploymentGates.gate, names as GateName[]) : undefined,
    inArray(deploymentGates.status, ['WAITING']),
  );
  const passed = await tx
    .update(deploymentGates)
    .set({ status: 'PASSED', detail: 'over', changedAt: sql`now()` })
    .where(unneeded)
    .returning({ gate: deploymentGates.gate });
  let changed = passed.length > 0;
  for (const { gate, status, detail } of gates) {
    const rows = await tx
      .insert(deploymentGates)
      .values({ deployment, gate, status, detail })
      .onConflictDoUpdate({
        target: [deploymentGates.deployment, deploymentGates.gate],
        set: { status, detail, changedAt: sql`now()` },
        setWhere: sql`${deploymentGates.status} <> excluded.status or ${deploymentGates.detail} <> excluded.detail`,
      })
      .returning({ gate: deploymentGates.gate });
    changed ||= rows.length > 0;
  }
  if (changed) await announce(tx, 'deployments');
}

function audit(
  tx: Transaction,
  { id, project, requestedBy }: Deployment,
  action: string,
  details: Record<string, unknown>,
) {
  const actor = action === 'deployment.refuse' ? 'starling' : requestedBy;
  return recordAudit(tx, { actor, action, project, target: String(id), details });
}
