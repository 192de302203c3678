import { useEffect, useState } from 'react';
import type { RegionProgress } from '../../lib/api.ts';
import { useNow } from '../../lib/hooks.ts';
import { addSample, type Pace, paceOf, type Sample } from '../../lib/pace.ts';
import { totalsOf, workOf } from '../../lib/rollout.ts';

const everything = '*';

/** The pace of each region, and of all together under `*`, from what was seen since the page was opened. */
export function usePaces(regions: readonly RegionProgress[] | undefined): (region?: string) => Pace {
  const now = useNow();
  const [samples, setSamples] = useState<ReadonlyMap<string, Sample[]>>(new Map());
  useEffect(() => {
    if (!regions) return;
    const at = Date.now();
    setSamples((before) => {
      const after = new Map(before);
      const note = (name: string, progress: Omit<RegionProgress, 'region'>) =>
        after.set(name, addSample(before.get(name) ?? [], { at, ...workOf(progress) }));
      for (const region of regions) note(region.region, region);
      note(everything, totalsOf(regions));
      return after;
    });
  }, [regions]);
  return (region = everything) => paceOf(samples.get(region) ?? [], now, 30_000);
}
