/** Round numbers from 0 to at least `most`, four to six of them, for the lines of a chart. */
export function niceTicks(most: number): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** As `niceTicks`, where only whole numbers make sense. */
export function wholeTicks(most: number): number[] {
  return most <= 4 ? Array.from({ length: Math.max(1, Math.ceil(most)) + 1 }, (_, tick) => tick) : niceTicks(most);
}

const durationSteps = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
];

/** Milliseconds that people count in (seconds, quarters, hours, days), from 0 to at least `mostMs`. */
export function durationTicks(mostMs: number): number[] {
  if (!(mostMs > 0)) return [0, 1_000];
  const wanted = mostMs / 1_000 / 4;
  const step = (durationSteps.find((seconds) => seconds >= wanted) ?? niceTicks(wanted).at(-1)!) * 1_000;
  return Array.from({ length: Math.ceil(mostMs / step - 1e-9) + 1 }, (_, index) => index * step);
}

/** Which of `count` places get a label when there is room for `room` of them: evenly, the last one always. */
export function labelledPlaces(count: number, room: number): number[] {
  if (count <= 0) return [];
  const every = Math.max(1, Math.ceil(count / Math.max(1, room)));
  return Array.from({ length: Math.ceil(count / every) }, (_, index) => count - 1 - index * every).toReversed();
}
