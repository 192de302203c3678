// How fast something goes and when it will be there, from what was seen so far.

export interface Sample {
  /** Milliseconds since the epoch. */
  at: number;
  /** Work done, in any unit that only grows while there is progress. */
  done: number;
  /** Work there is in all, in the same unit. */
  total: number;
}

export type Pace =
  | { state: 'measuring' }
  | { state: 'moving'; perSecond: number; etaMs: number }
  /** Nothing has moved for this long. A guess would be a lie here. */
  | { state: 'stalled'; forMs: number }
  | { state: 'done' };

const keepForMs = 60_000;
const averageOverMs = 20_000;
const leastSpanMs = 2_000;

/** Adds a sample, keeps the last minute. A sample that says the same as the last two only moves the end. */
export function addSample(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  const beforeLast = samples.at(-2);
  const same = (a: Sample | undefined) => a?.done === next.done && a.total === next.total;
  const kept = same(last) && same(beforeLast) ? samples.slice(0, -1) : samples;
  const oldest = kept.findLastIndex((sample) => sample.at <= next.at - keepForMs);
  return [...kept.slice(Math.max(0, oldest)), next];
}

/** `stalledAfterMs`: how long nothing may move before it counts as stalled. */
export function paceOf(samples: readonly Sample[], now: number, stalledAfterMs = 20_000): Pace {
  const last = samples.at(-1);
  if (!last) return { state: 'measuring' };
  if (last.total > 0 && last.done >= last.total) return { state: 'done' };
  const firstOfSame = samples.find((_, index) => samples.slice(index).every((later) => later.done === last.done));
  const unmovedMs = now - (firstOfSame ?? last).at;
  if (unmovedMs >= stalledAfterMs) return { state: 'stalled', forMs: unmovedMs };
  const window = samples.filter((sample) => sample.at >= last.at - averageOverMs);
  const first = window[0]!;
  const spanMs = Math.max(last.at, now) - first.at;
  const moved = last.done - first.done;
  if (spanMs < leastSpanMs || moved <= 0) return { state: 'measuring' };
  const perSecond = moved / (spanMs / 1_000);
  return { state: 'moving', perSecond, etaMs: ((last.total - last.done) / perSecond) * 1_000 };
}
