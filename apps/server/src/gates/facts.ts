import { allows } from '@starling/shared/permissions.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { and, asc, eq, gt, inArray, isNull, lt, or, sql } from 'drizzle-orm';
import {
  accounts,
  approvals,
  builds,
  deployments,
  type deployments as deploymentsTable,
  freezeWindows,
  projects,
  roleGrants,
} from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';
import { lineStopOf } from '../steering/line.ts';
import { tasksVerdict } from '../tasks/phases.ts';
import type { Freeze } from './freeze.ts';
import type { GateFacts, ReviewVerdict, Voice } from './judge.ts';

export type Deployment = typeof deploymentsTable.$inferSelect;
/** What is known of a deployment before it is recorded, too. */
export type Proposal = Pick<Deployment, 'project' | 'buildId' | 'kind' | 'requestedBy' | 'hotfix' | 'whenBusy'> & {
  id?: number;
};

/** All that the gates of a deployment are judged by, but for the review, which is not in the database. */
export async function gateFacts(
  where: Queryable,
  proposal: Proposal,
  review: ReviewVerdict | undefined,
): Promise<GateFacts> {
  const [project] = await where.select().from(projects).where(eq(projects.name, proposal.project));
  const { id } = proposal;
  const ahead = await where
    .select({ id: deployments.id, status: deployments.status, whenBusy: deployments.whenBusy })
    .from(deployments)
    .where(and(eq(deployments.project, proposal.project), inArray(deployments.status, ['WAITING', 'RUNNING'])))
    .orderBy(asc(deployments.id));
  return {
    kind: proposal.kind,
    requestedBy: proposal.requestedBy,
    hotfix: proposal.hotfix,
    whenBusy: proposal.whenBusy,
    settings: settingsOf(project?.settings),
    voices: id === undefined ? [] : await voicesOf(where, proposal.project, proposal.buildId, id),
    freezes: await freezesOf(where, proposal.project),
    stopped: await lineStopOf(where, proposal.project),
    ahead: ahead.flatMap((other): GateFacts['ahead'] => {
      if (other.status === 'RUNNING') return [{ id: other.id, status: 'RUNNING' as const }];
      // Only who queues is first come, first served; one that waits for people keeps nobody else waiting.
      const isBefore = other.whenBusy === 'QUEUE' && (id === undefined || other.id < id);
      return isBefore && proposal.whenBusy === 'QUEUE' ? [{ id: other.id, status: 'WAITING' as const }] : [];
    }),
    review,
    tasks: id === undefined ? { state: 'waiting', detail: '' } : await tasksVerdict(where, id, 'BEFORE'),
  };
}

/** Those that may hold now or later; `project` null asks for those of all projects only. */
export async function freezesOf(where: Queryable, project: string): Promise<Freeze[]> {
  return where
    .select()
    .from(freezeWindows)
    .where(
      and(
        isNull(freezeWindows.liftedAt),
        or(isNull(freezeWindows.endsAt), gt(freezeWindows.endsAt, sql`now()`)),
        or(isNull(freezeWindows.project), eq(freezeWindows.project, project)),
        lt(freezeWindows.startsAt, sql`now() + interval '8 days'`),
      ),
    )
    .orderBy(asc(freezeWindows.id));
}

async function voicesOf(where: Queryable, project: string, buildId: string, deployment: number): Promise<Voice[]> {
  const rows = await where
    .select({ voice: approvals, account: accounts, grant: roleGrants })
    .from(approvals)
    .leftJoin(accounts, and(eq(accounts.name, approvals.approver), isNull(accounts.disabledAt)))
    .leftJoin(roleGrants, eq(roleGrants.account, accounts.id))
    .where(eq(approvals.deployment, deployment))
    .orderBy(asc(approvals.at));
  const [build] = await where.select({ author: builds.commitAuthor }).from(builds).where(eq(builds.id, buildId));
  const byApprover = Map.groupBy(rows, ({ voice }) => voice.approver);
  return [...byApprover.values()].map((ofOne) => {
    const { voice, account } = ofOne[0]!;
    const grants = ofOne.flatMap(({ grant }) => (grant ? [grant] : []));
    return {
      approver: voice.approver,
      decision: voice.decision,
      comment: voice.comment,
      mayApprove: account !== null && allows(grants, 'approve', project),
      isAuthor: account !== null && isAuthor(account, build?.author ?? ''),
    };
  });
}

/** Git knows people by what they call themselves: a name, perhaps with an address. */
export function isAuthor(account: typeof accounts.$inferSelect, author: string): boolean {
  const said = author.trim().toLowerCase();
  const called = said.replace(/\s*<[^>]*>\s*$/, '');
  if (account.email !== null && said.includes(account.email.toLowerCase())) return true;
  return [account.name, account.displayName].some((name) => name.toLowerCase() === called);
}
