import { settingsOf } from '@starling/shared/project-settings.ts';
import { and, eq, sql } from 'drizzle-orm';
import { projects, webhookDeliveries } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { createJob } from '../jobs/create.ts';
import type { WebhookSource } from './check.ts';
import type { WebhookEvent } from './event.ts';
import { judge } from './rules.ts';

export interface Delivery {
  source: WebhookSource;
  project: string;
  deliveryId: string;
  requestId: string;
}

export interface DeliveryOutcome {
  /** What was done about it, in a sentence. */
  outcome: string;
  jobs: number[];
  /** Whether it had come before: then nothing was done, and this is what was done the first time. */
  repeated: boolean;
}

export interface JobLimits {
  maxAttempts: number;
  buildDeadlineMs: number;
}

/** Deliveries are told apart by project too: GitHub gives one event the same id at every hook of a repository. */
export const sourceColumn = (source: WebhookSource, project: string): string => `${source}/${project}`;

/**
 * Starts the builds that an event asks for, once: the delivery is recorded in the transaction that creates the jobs, so a
 * repetition that comes at the same time waits for it and then finds it. Undefined when there is no such project.
 */
export async function receiveDelivery(
  database: Database,
  delivery: Delivery,
  event: WebhookEvent,
  limits: JobLimits,
): Promise<DeliveryOutcome | undefined> {
  const key = { source: sourceColumn(delivery.source, delivery.project), deliveryId: delivery.deliveryId };
  return database.transaction(async (tx) => {
    // Deliveries of one project take turns, so that those of a burst see each other's jobs.
    const [project] = await tx.select().from(projects).where(eq(projects.name, delivery.project)).for('no key update');
    if (!project) return undefined;
    const [fresh] = await tx
      .insert(webhookDeliveries)
      .values({ ...key, event: event.name.slice(0, 200), outcome: '', jobs: [] })
      .onConflictDoNothing()
      .returning({ source: webhookDeliveries.source });
    const itself = and(eq(webhookDeliveries.source, key.source), eq(webhookDeliveries.deliveryId, key.deliveryId));
    if (!fresh) {
      const [first] = await tx.select().from(webhookDeliveries).where(itself);
      return { outcome: first?.outcome ?? '', jobs: first?.jobs ?? [], repeated: true };
    }
    const { said, jobs, created } = await startBuilds(tx, delivery, project, event, limits);
    const outcome = [...said, ...event.ignored].join('; ').slice(0, 2_000);
    await tx.update(webhookDeliveries).set({ outcome, jobs }).where(itself);
    if (created.length > 0) {
      await recordAudit(tx, {
        actor: `webhook:${delivery.source}`,
        action: 'job.create',
        project: delivery.project,
        target: created.join(','),
        details: { delivery: delivery.deliveryId, event: event.name, outcome },
        requestId: delivery.requestId,
      });
    }
    return { outcome, jobs, repeated: false };
  });
}

async function startBuilds(
  tx: Transaction,
  { source }: Delivery,
  project: typeof projects.$inferSelect,
  event: WebhookEvent,
  { maxAttempts, buildDeadlineMs }: JobLimits,
) {
  const { triggers, builds } = settingsOf(project.settings);
  const said: string[] = [];
  const jobs: number[] = [];
  const created: number[] = [];
  for (const change of event.changes) {
    const judgement = judge(triggers, change);
    if (!judgement.build) {
      said.push(judgement.why);
      continue;
    }
    const job = await createJob(
      tx,
      {
        project: project.name,
        commitSha: change.commitSha,
        requestedRef: change.branch.slice(0, 255),
        requestedBy: `webhook:${source} (${change.by})`,
        repositoryUrl: project.repositoryUrl,
        binaryName: project.binaryName,
        maxAttempts,
        deadlineMs: buildDeadlineMs,
        priority: builds.priority,
        workerLabels: builds.workerLabels,
      },
      false,
    );
    if (!jobs.includes(job.id)) jobs.push(job.id);
    if (job.created) created.push(job.id);
    const what = `${change.branch} at ${change.commitSha.slice(0, 12)}`;
    said.push(job.created ? `job ${job.id} builds ${what}` : `job ${job.id} has ${what} already`);
  }
  return { said, jobs, created };
}

/** What came for a project, newest first, older than `before`. */
export function listDeliveries(database: Database, project: string, before: Date | undefined, limit: number) {
  const sources = (['github', 'gitlab', 'git'] as const).map((source) => sourceColumn(source, project));
  return database
    .select()
    .from(webhookDeliveries)
    .where(
      and(
        sql`${webhookDeliveries.source} in ${sources}`,
        before ? sql`${webhookDeliveries.receivedAt} < ${before.toISOString()}` : undefined,
      ),
    )
    .orderBy(sql`${webhookDeliveries.receivedAt} desc`)
    .limit(limit);
}
