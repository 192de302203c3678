import { allows, allProjects, type Grant } from '@starling/shared/permissions.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { gateNames } from '@starling/shared/words.ts';
import { and, asc, eq, inArray, type SQL } from 'drizzle-orm';
import {
  accounts,
  approvals,
  builds,
  deploymentGates,
  deployments,
  projects,
} from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';
import { isAuthor } from './facts.ts';

/** Who looks: what they may do, by the name that they sign in with. */
export interface Onlooker {
  name: string;
  grants: readonly Grant[];
}

const mostShown = 200;

/**
 * The deployments that wait, oldest first, with the gates that hold them. `asksForApproval`: people have to decide;
 * `whyNotMine` then says why this person's yes would not count, null when it would.
 */
export async function waitingDeployments(where: Queryable, visible: SQL | undefined, onlooker: Onlooker) {
  const rows = await where
    .select({
      id: deployments.id,
      project: deployments.project,
      buildId: deployments.buildId,
      previousBuildId: deployments.previousBuildId,
      kind: deployments.kind,
      hotfix: deployments.hotfix,
      requestedBy: deployments.requestedBy,
      reason: deployments.reason,
      createdAt: deployments.createdAt,
      commitSubject: builds.commitSubject,
      commitAuthor: builds.commitAuthor,
      settings: projects.settings,
    })
    .from(deployments)
    .innerJoin(builds, eq(builds.id, deployments.buildId))
    .innerJoin(projects, eq(projects.name, deployments.project))
    .where(and(eq(deployments.status, 'WAITING'), visible))
    .orderBy(asc(deployments.id))
    .limit(mostShown);
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const [gates, voices, [account]] = await Promise.all([
    where.select().from(deploymentGates).where(inArray(deploymentGates.deployment, ids)),
    where.select().from(approvals).where(inArray(approvals.deployment, ids)).orderBy(asc(approvals.at)),
    where.select().from(accounts).where(eq(accounts.name, onlooker.name)),
  ]);
  const gatesOf = Map.groupBy(gates, ({ deployment }) => deployment);
  const voicesOf = Map.groupBy(voices, ({ deployment }) => deployment);
  return rows.map(({ settings, ...row }) => {
    const holding = (gatesOf.get(row.id) ?? [])
      .filter(({ status }) => status === 'WAITING')
      .toSorted((a, b) => gateNames.indexOf(a.gate) - gateNames.indexOf(b.gate))
      .map(({ gate, detail, changedAt }) => ({ gate, detail, since: changedAt }));
    const said = voicesOf.get(row.id) ?? [];
    const { needed, from } = settingsOf(settings).approvals;
    const asksForApproval = holding.some(({ gate }) => gate === 'approvals');
    const because = whyNotMine(onlooker, row, from, account !== undefined && isAuthor(account, row.commitAuthor));
    return {
      ...row,
      holding,
      asksForApproval,
      needed,
      voices: said.map(({ approver, decision, comment, at }) => ({ approver, decision, comment, at })),
      mine: said.find(({ approver }) => approver === onlooker.name)?.decision ?? null,
      whyNotMine: asksForApproval ? because : null,
    };
  });
}

function whyNotMine(
  { name, grants }: Onlooker,
  { project, requestedBy }: { project: string; requestedBy: string },
  from: readonly string[],
  wroteIt: boolean,
): string | null {
  if (!allows(grants, 'approve', project)) {
    const where = grants.some((grant) => grant.project === allProjects) ? '' : ` in ${project}`;
    return `You need the role approver${where}.`;
  }
  if (from.length > 0 && !from.includes(name)) return `Only ${from.join(', ')} may approve in ${project}.`;
  if (requestedBy === name) return 'You asked for it: somebody else has to decide.';
  if (wroteIt) return 'You wrote the commit: somebody else has to decide.';
  return null;
}
