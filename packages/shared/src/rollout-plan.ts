import { z } from 'zod';
import { durationBetween, formatDuration } from './durations.ts';
import { type CheckStage, type RolloutCheck, rolloutCheck } from './rollout-checks.ts';
import { regionName } from './words.ts';

// How a deployment reaches the machines: in which waves, and what makes it go on, halt or go back. Written in `starling.yml`,
// in the project's settings and with a deployment, each field by the last of them that has it.

const second = 1_000;
const minute = 60 * second;
const day = 24 * 60 * minute;

/** Labels that a machine must all have. */
export type Selector = Record<string, string>;
const selector = z
  .record(z.string().min(1).max(63), z.string().max(255))
  .refine((wanted) => Object.keys(wanted).length > 0, 'needs at least one label');

const expectedShare = 'expected a share such as 0.1 or "10%"';
const share = z.union(
  [
    z.number().gt(0, 'must be more than 0').max(1, 'must be at most 1'),
    z
      .string()
      .regex(/^\d{1,3}(\.\d{1,4})?\s*%$/, expectedShare)
      .transform((text) => Number.parseFloat(text) / 100)
      .pipe(z.number().gt(0, 'must be more than 0 %').max(1, 'must be at most 100 %')),
  ],
  expectedShare,
);
const bakeTime = durationBetween(0, 7 * day);

const wave = z
  .strictObject({
    /** Share of the machines of each region, at least one of each. */
    fraction: share.optional(),
    /** The machines with these labels. */
    labels: selector.optional(),
    /** Only in these regions; all of their machines, unless a fraction or labels say which. */
    regions: z.array(regionName).min(1).max(64).optional(),
    /** How long its machines must stay well before the next wave begins. */
    bakeTime: bakeTime.optional(),
  })
  .refine((one) => one.fraction !== undefined || one.labels !== undefined || one.regions !== undefined, {
    message: 'needs a "fraction", "labels" or "regions"',
  })
  .refine((one) => one.fraction === undefined || one.labels === undefined, {
    message: 'has both "fraction" and "labels"; make it two waves',
  });

export const rolloutOrders = ['all-at-once', 'region-by-region'] as const;

/** One layer of it: what is left out is as the layer before says. Durations such as `10m` are read to milliseconds. */
export const rolloutSettings = z
  .strictObject({
    /** One after the other; a last one of all machines is added where it is missing. */
    waves: z.array(wave).max(20).optional(),
    /** `region-by-region`: a region goes through all waves before the next one begins. */
    order: z.enum(rolloutOrders).optional(),
    /** Share of the machines that answered, at or above which a wave has succeeded. */
    successThreshold: z.number().min(0).max(1).optional(),
    /** Share of the machines that answered, above which it is halted. */
    errorThreshold: z.number().min(0).max(1).optional(),
    /** Failed machines above which it is halted, whatever their share. */
    errorCap: z.number().int().min(0).max(1_000_000).optional(),
    /** How many must have answered before the share counts; all, where a wave has fewer. */
    minimumReported: z.number().int().min(1).max(1_000_000).optional(),
    /** How long nothing may change before it has stalled; stands still while paused. */
    progressDeadline: durationBetween(second, 7 * day).optional(),
    /** For each wave that has none of its own. */
    bakeTime: bakeTime.optional(),
    /** Whether a deployment that is halted goes back at once; else it waits for a person. */
    autoRevert: z.boolean().optional(),
    /** What is measured before waves and while they bake. */
    analysis: z.array(rolloutCheck).max(20).optional(),
  })
  .refine(({ analysis = [] }) => new Set(analysis.map(({ name }) => name)).size === analysis.length, {
    path: ['analysis'],
    message: 'has two checks of the same name',
  })
  .refine(({ waves, order }) => order !== 'region-by-region' || !waves?.some((one) => one.regions !== undefined), {
    path: ['waves'],
    message: 'a wave names regions, which does not go with the order "region-by-region"',
  });
export type RolloutSettings = z.infer<typeof rolloutSettings>;
export type WrittenRolloutSettings = z.input<typeof rolloutSettings>;

export interface PlannedWave {
  /** Share of the machines of its regions; 0 where labels choose them. */
  fraction: number;
  labels: Selector | null;
  /** Null for all. */
  regions: string[] | null;
  bakeMs: number;
}

/** What a deployment is bound to from when it was asked for. */
export interface RolloutPlan {
  /** The last one is of all machines. */
  waves: PlannedWave[];
  successThreshold: number;
  errorThreshold: number;
  errorCap: number;
  minimumReported: number;
  progressDeadlineMs: number;
  autoRevert: boolean;
  /** Left out where nothing is measured. */
  analysis?: RolloutCheck[];
}

/** The checks of a plan that are made in a stage. */
export const checksOf = ({ analysis = [] }: RolloutPlan, stage: CheckStage): RolloutCheck[] =>
  analysis.filter(({ when }) => when.includes(stage));

/**
 * The plan that the layers make, each overriding the ones before it field by field.
 * @param regions all of them, in the order in which they are shown: the one of `region-by-region`
 */
export function planRollout(layers: readonly RolloutSettings[], regions: readonly string[]): RolloutPlan {
  const said: RolloutSettings = {};
  for (const layer of layers) {
    for (const [field, value] of Object.entries(layer))
      if (value !== undefined) Object.assign(said, { [field]: value });
  }
  const bakeMs = said.bakeTime ?? 0;
  const waves = (said.waves ?? []).map(
    (one): PlannedWave => ({
      fraction: one.fraction ?? (one.labels ? 0 : 1),
      labels: one.labels ?? null,
      regions: one.regions ?? null,
      bakeMs: one.bakeTime ?? bakeMs,
    }),
  );
  const everyone: PlannedWave = { fraction: 1, labels: null, regions: null, bakeMs };
  const complete = waves.some(isEveryone) ? waves.slice(0, waves.findIndex(isEveryone) + 1) : [...waves, everyone];
  const oneByOne = said.order === 'region-by-region' && regions.length > 1;
  const inOrder = oneByOne
    ? regions.flatMap((region) => complete.map((one) => ({ ...one, regions: [region] })))
    : complete;
  // The last region's last wave is all there is left: machines of regions that come later are in it too.
  if (oneByOne) inOrder.splice(-1, 1, { ...inOrder.at(-1)!, regions: null });
  return {
    waves: inOrder,
    successThreshold: said.successThreshold ?? 0.95,
    errorThreshold: said.errorThreshold ?? 0.02,
    errorCap: said.errorCap ?? 50,
    minimumReported: said.minimumReported ?? 20,
    progressDeadlineMs: said.progressDeadline ?? 10 * minute,
    autoRevert: said.autoRevert ?? true,
    ...(said.analysis && said.analysis.length > 0 && { analysis: said.analysis }),
  };
}

export const isEveryone = ({ fraction, labels, regions }: PlannedWave): boolean =>
  fraction === 1 && labels === null && regions === null;

/** How far a deployment reaches into a region. */
export interface RegionReach {
  fraction: number;
  /** Beside those of the fraction: machines that match any of these. */
  selectors?: Selector[];
}
/** By region; a region that is not named is not reached. Null reaches everyone. */
export type Reach = Record<string, RegionReach> | null;

/**
 * Who is reached once the first `count` waves have begun. A wave adds to those before it and takes nobody away.
 * @param fractionFor what to say in the key so that a share of a region's machines, and one at least, is reached
 */
export function reachOf(
  plan: RolloutPlan,
  count: number,
  regions: readonly string[],
  fractionFor: (region: string, share: number) => number,
): Reach {
  const begun = plan.waves.slice(0, count);
  if (begun.some(isEveryone) || count >= plan.waves.length) return null;
  const reach: Record<string, RegionReach> = {};
  for (const region of regions) {
    const here = begun.filter((one) => one.regions === null || one.regions.includes(region));
    if (here.length === 0) continue;
    const widest = Math.max(...here.map(({ fraction }) => fraction));
    const selectors = here.flatMap(({ labels }) => (labels ? [labels] : []));
    const fraction = widest === 0 || widest === 1 ? widest : fractionFor(region, widest);
    reach[region] = selectors.length > 0 && fraction < 1 ? { fraction, selectors } : { fraction };
  }
  return reach;
}

/** `10 % in eu, us`, `group=canary`, `everyone`: whom a wave adds. */
export function describeWave({ fraction, labels, regions }: PlannedWave): string {
  const where = regions ? ` in ${regions.join(', ')}` : '';
  if (labels) {
    const wanted = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
    return `${wanted.join(', ')}${where}`;
  }
  if (fraction === 1) return regions ? `everyone${where}` : 'everyone';
  return `${Number((fraction * 100).toFixed(4))} %${where}`;
}

/** `wave 1 of 3: 10 %, then 5 m of bake time`. */
export function describeWaveOf(plan: RolloutPlan, number: number): string {
  const one = plan.waves[number - 1];
  if (!one) return `${plan.waves.length} waves, none of which has begun`;
  const bake = one.bakeMs > 0 ? `, then ${formatDuration(one.bakeMs)} of bake time` : '';
  return `wave ${number} of ${plan.waves.length}: ${describeWave(one)}${bake}`;
}
