import type { HubReport } from '@starling/shared/hub-protocol.ts';
import { addSources, mostSlowest, noBytes, type SwarmView, shareSteps } from '@starling/shared/swarm-view.ts';
import { type SQL, sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '../db/connect.ts';

// What hubs see of the swarms: a row for each hub and deployment, each time over the one before, deleted when the deployment
// has been over for a while.

const keptFor = sql`interval '1 hour'`;
/** A hub that has said nothing for this long is gone, or nothing moves in its region. */
const freshMs = 30_000;

/** Writes down what a hub sees. A view of a deployment that is not there, or of another project's, is left out. */
export async function foldSwarmViews(
  tx: Transaction,
  { hub, region, swarms }: Pick<HubReport, 'hub' | 'region'> & { swarms: readonly SwarmView[] },
): Promise<void> {
  if (swarms.length === 0) return;
  await tx.execute(sql`
    insert into swarm_views (hub, deployment, region, view)
    select ${hub}, d.id, ${region}, r.view
    from jsonb_to_recordset(${JSON.stringify(swarms.map((view) => ({ view })))}::jsonb) as r(view jsonb)
    join deployments d on d.id = (r.view ->> 'deployment')::bigint and d.project = r.view ->> 'project'
      and (d.finished_at is null or d.finished_at > now() - ${keptFor})
    order by d.id
    on conflict (hub, deployment) do update set region = excluded.region, view = excluded.view, said_at = now()`);
  await tx.execute(sql`
    delete from swarm_views v using deployments d
    where v.hub = ${hub} and d.id = v.deployment and d.finished_at < now() - ${keptFor}`);
}

export interface RegionSwarm extends SwarmView {
  region: string;
  /** When a hub of the region last said it. */
  saidAt: Date;
  /** Something moves, and its hub said so a moment ago. */
  isLive: boolean;
}

/** What moves for some deployments of one project: in each region, and in all of them together; null when no hub saw any. */
export async function readSwarm(
  where: Queryable,
  deployments: SQL,
  nowMs: number,
): Promise<{ all: SwarmView; regions: RegionSwarm[] } | null> {
  const rows = (await where.execute(sql`
    select v.region, v.view, v.said_at as "saidAt" from swarm_views v
    left join regions r on r.name = v.region
    where v.deployment in (${deployments}) order by r.position, v.region, v.hub`)) as unknown as {
    region: string;
    view: SwarmView;
    saidAt: string;
  }[];
  if (rows.length === 0) return null;
  const regions = [...Map.groupBy(rows, ({ region }) => region)].map(([region, ofRegion]): RegionSwarm => {
    const view = together(ofRegion.map((row) => row.view));
    const saidAt = new Date(Math.max(...ofRegion.map((row) => Date.parse(row.saidAt))));
    const isFetching = view.shares.slice(0, -1).some((machines) => machines > 0);
    return { region, saidAt, isLive: isFetching && nowMs - saidAt.getTime() < freshMs, ...view };
  });
  return { all: together(rows.map(({ view }) => view)), regions };
}

/** Views of several hubs as one. Racks of the same name are taken for the same rack. */
export function together(views: readonly SwarmView[]): SwarmView {
  const [first] = views;
  if (!first) throw new Error('there is no view');
  const add = (a: readonly number[], b: readonly number[]) => a.map((count, step) => count + (b[step] ?? 0));
  const racks = new Map<string, SwarmView['racks'][number]>();
  for (const { rack, shares, bytesPerSecond } of views.flatMap((view) => view.racks)) {
    const known = racks.get(rack);
    racks.set(rack, {
      rack,
      shares: known ? add(known.shares, shares) : shares,
      bytesPerSecond: bytesPerSecond + (known?.bytesPerSecond ?? 0),
    });
  }
  const sum = (of: (view: SwarmView) => number) => views.reduce((total, view) => total + of(view), 0);
  const leftOf = ({ bytesDone, bytesTotal, bytesPerSecond }: SwarmView['slowest'][number]) =>
    (bytesTotal - bytesDone) / Math.max(1, bytesPerSecond);
  // Medians of regions cannot be made one; the region with the most machines speaks for all.
  const most = views.reduce((a, b) => (b.measured.machines > a.measured.machines ? b : a));
  return {
    project: first.project,
    deployment: Math.max(...views.map(({ deployment }) => deployment)),
    shares: views.reduce((all, { shares }) => add(all, shares), new Array<number>(shareSteps).fill(0)),
    racks: [...racks.values()],
    racksLeftOut: sum((view) => view.racksLeftOut),
    bytesDone: sum((view) => view.bytesDone),
    bytesTotal: sum((view) => view.bytesTotal),
    bytesPerSecond: sum((view) => view.bytesPerSecond),
    sources: views.reduce((all, { sources }) => addSources(all, sources), noBytes),
    wrongPieces: sum((view) => view.wrongPieces),
    slowest: views
      .flatMap(({ slowest }) => slowest)
      .toSorted((a, b) => leftOf(b) - leftOf(a))
      .slice(0, mostSlowest),
    measured: { ...most.measured, machines: sum((view) => view.measured.machines) },
  };
}
