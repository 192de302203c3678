import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { and, asc, eq, sql } from 'drizzle-orm';
import { builds, deployments, projects } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import { advance, type WhyNot } from './begin.ts';
import type { Deployment } from './facts.ts';
import type { ReviewVerdict } from './judge.ts';
import type { ReviewCommit } from './ports.ts';

export interface GatekeeperOptions {
  database: Database;
  review: ReviewCommit;
  whyNot: WhyNot;
  everyMs: number;
  clock: Clock;
  log: Logger;
}

const firstPauseMs = 15_000;
const longestPauseMs = 5 * 60_000;

/**
 * The loop that lets waiting deployments through their gates. It keeps nothing that it could not find out again: a server
 * that takes over goes on where the tables are.
 */
export function startGatekeeper({ database, review, whyNot, everyMs, clock, log }: GatekeeperOptions): Loop {
  /** What was said of commits that are still to be approved, so that nobody is asked every few seconds. */
  const asked = new Map<number, { verdict: ReviewVerdict; againAt: number; pauseMs: number }>();
  const reviewOf = async (deployment: Deployment): Promise<ReviewVerdict | undefined> => {
    const known = asked.get(deployment.id);
    if (known && clock.now() < known.againAt) return known.verdict;
    const [row] = await database
      .select({ project: projects, commitSha: builds.commitSha })
      .from(builds)
      .innerJoin(projects, eq(projects.name, builds.project))
      .where(eq(builds.id, deployment.buildId));
    if (!row) return undefined;
    const settings = settingsOf(row.project.settings).review;
    if (settings.require === 'none' || deployment.kind !== 'DEPLOY') return undefined;
    const verdict = await review({
      repositoryUrl: row.project.repositoryUrl,
      commitSha: row.commitSha,
      settings,
    }).catch(
      (thrown: unknown): ReviewVerdict => ({ state: 'waiting', detail: `cannot be looked up: ${messageOf(thrown)}` }),
    );
    const pauseMs = Math.min(longestPauseMs, known ? known.pauseMs * 2 : firstPauseMs);
    asked.set(deployment.id, { verdict, pauseMs, againAt: clock.now() + pauseMs });
    return verdict;
  };

  return new Loop({
    name: 'gates',
    everyMs,
    clock,
    log,
    pass: async (signal) => {
      const waiting = await database
        .select()
        .from(deployments)
        .where(eq(deployments.status, 'WAITING'))
        .orderBy(asc(deployments.id))
        .limit(500);
      for (const id of asked.keys()) if (!waiting.some((deployment) => deployment.id === id)) asked.delete(id);
      for (const deployment of waiting) {
        if (signal.aborted) return;
        // Asked outside of the transaction: somebody else's server must not hold our locks.
        const verdict = await reviewOf(deployment);
        const status = await database.transaction(async (tx) => {
          await tx.execute(sql`select 1 from projects where name = ${deployment.project} for update`);
          const [current] = await tx
            .select()
            .from(deployments)
            .where(and(eq(deployments.id, deployment.id), eq(deployments.status, 'WAITING')));
          return current && advance(tx, { deployment: current, review: verdict, nowMs: clock.now(), whyNot });
        });
        if (status && status !== 'WAITING')
          log.info(`deployment ${deployment.id} of ${deployment.project} is ${status}`);
      }
    },
  }).start();
}
