import { createHash } from 'node:crypto';
import { settingsOf } from '@starling/shared/project-settings.ts';
import {
  describeWave,
  planRollout,
  type Reach,
  type RolloutPlan,
  type RolloutSettings,
  reachOf,
  rolloutSettings,
} from '@starling/shared/rollout-plan.ts';
import { fractionReaching, isInWave } from '@starling/shared/version-key.ts';
import { asc, desc, eq } from 'drizzle-orm';
import { builds, deployments, projects, regions } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';
import { type OnlineMachine, onlineMachines } from '../fleet/online-machines.ts';

// What a deployment would do, worked out before it is recorded and shown before it is asked for: the same both times.

/** The plan of a deployment of a build: its `starling.yml`, the project's settings over it, what is asked for over both. */
export async function planFor(where: Queryable, buildId: string, asked: RolloutSettings): Promise<RolloutPlan> {
  const [row] = await where
    .select({ settings: projects.settings, rollout: builds.rollout })
    .from(projects)
    .innerJoin(builds, eq(builds.project, projects.name))
    .where(eq(builds.id, buildId));
  // Checked when the build was made; a newer Starling that no longer takes a field must not keep builds from deploying.
  const ofBuild = rolloutSettings.safeParse(row?.rollout ?? {});
  const layers = [ofBuild.success ? ofBuild.data : {}, settingsOf(row?.settings).rollout, asked];
  return planRollout(layers, await regionsInOrder(where));
}

async function regionsInOrder(where: Queryable): Promise<string[]> {
  const rows = await where.select({ name: regions.name }).from(regions).orderBy(asc(regions.position));
  return rows.map(({ name }) => name);
}

/**
 * Seeds who is in which wave of the project's next deployment: other machines each time, and the same when it is only
 * looked at, as long as no other deployment comes between.
 */
export async function nextSalt(where: Queryable, project: string, buildId: string): Promise<string> {
  const [newest] = await where
    .select({ id: deployments.id })
    .from(deployments)
    .where(eq(deployments.project, project))
    .orderBy(desc(deployments.id))
    .limit(1);
  return createHash('sha256')
    .update(`${project}\n${buildId}\n${newest?.id ?? 0}`)
    .digest('base64url')
    .slice(0, 16);
}

export interface PreviewedWave {
  wave: number;
  /** Whom it adds, in words. */
  who: string;
  bakeMs: number;
  /** The machines it adds, by region in order; `first` names a few. */
  regions: { region: string; machines: number; first: string[] }[];
}

export interface Preview {
  waves: PreviewedWave[];
  /** What the bake times come to: it takes this long at least. */
  atLeastMs: number;
  /** Label waves that no machine of the fleet is in. */
  nobodyIn: string[];
}

const mostNames = 3;

/** Which machines each wave adds, by the fleet that is online now. */
export async function previewWaves(where: Queryable, plan: RolloutPlan, salt: string): Promise<Preview> {
  const [machines, names] = [await onlineMachines(where), await regionsInOrder(where)];
  const byRegion = Map.groupBy(machines, ({ region }) => region);
  const reached = new Set<string>();
  const waves = plan.waves.map((planned, index): PreviewedWave => {
    const reach = reachOf(plan, index + 1, names, (region, share) =>
      fractionReaching(
        salt,
        (byRegion.get(region) ?? []).map(({ id }) => id),
        share,
      ),
    );
    return {
      wave: index + 1,
      who: describeWave(planned),
      bakeMs: planned.bakeMs,
      regions: names.flatMap((region) => {
        const added = (byRegion.get(region) ?? []).filter(
          (machine) => !reached.has(machine.id) && isIn(reach, salt, machine),
        );
        for (const { id } of added) reached.add(id);
        const first = added.slice(0, mostNames).map(({ id }) => id);
        return added.length > 0 ? [{ region, machines: added.length, first }] : [];
      }),
    };
  });
  const nobodyIn = plan.waves.flatMap((planned) => {
    const { labels, regions: only } = planned;
    if (!labels) return [];
    const wave = { salt, fraction: 0, selectors: [labels] };
    const isThere = machines.some(
      (machine) => (only === null || only.includes(machine.region)) && isInWave(wave, machine.id, machine.labels),
    );
    return isThere ? [] : [describeWave(planned)];
  });
  return { waves, atLeastMs: plan.waves.reduce((sum, { bakeMs }) => sum + bakeMs, 0), nobodyIn };
}

function isIn(reach: Reach, salt: string, { id, region, labels }: OnlineMachine): boolean {
  if (reach === null) return true;
  const here = reach[region];
  return here !== undefined && isInWave({ salt, ...here }, id, labels);
}
