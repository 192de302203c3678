import { formatDuration } from '../../lib/format.ts';
import { durationTicks } from '../../lib/scale.ts';
import { ChartFrame } from './chart-frame.tsx';

/** A duration by time. Where there is none the line is broken off: nothing is guessed between. */
export function TimeLine({
  label,
  places,
  names,
  values,
}: {
  label: string;
  /** Short, for the axis. */
  places: readonly string[];
  /** Whole, for the pointer and those who listen. */
  names: readonly string[];
  /** Milliseconds. */
  values: readonly (number | null)[];
}) {
  const said = (value: number | null | undefined) =>
    value === null || value === undefined ? 'none' : formatDuration(value);
  return (
    <ChartFrame
      label={label}
      places={places}
      ticks={durationTicks(Math.max(0, ...values.map((value) => value ?? 0)))}
      formatTick={(tick) => (tick === 0 ? '0' : formatDuration(tick).replace('.0', ''))}
      tip={(place) => (
        <>
          <span className="block font-semibold">{names[place]}</span>
          <span className="text-ink-2">{said(values[place])}</span>
        </>
      )}
      table={{ head: ['When', label], rows: names.map((name, place) => [name, said(values[place])]) }}
    >
      {({ x, y, over }) => {
        const runs = runsOf(values);
        return (
          <>
            {runs.map((run) => (
              <polyline
                key={run[0]!.place}
                points={run.map(({ place, value }) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`).join(' ')}
                className="fill-none stroke-accent"
                strokeWidth="2"
                strokeLinejoin="round"
                strokeLinecap="round"
              />
            ))}
            {runs.flat().map(({ place, value }) => (
              <circle
                key={place}
                cx={x(place)}
                cy={y(value)}
                r={over === place ? 4 : values.length > 60 ? 1.5 : 2.5}
                className="fill-accent"
              />
            ))}
          </>
        );
      }}
    </ChartFrame>
  );
}

interface Point {
  place: number;
  value: number;
}

/** The stretches without a gap. */
function runsOf(values: readonly (number | null)[]): Point[][] {
  const runs: Point[][] = [];
  let open: Point[] | null = null;
  for (const [place, value] of values.entries()) {
    if (value === null) {
      open = null;
      continue;
    }
    if (!open) runs.push((open = []));
    open.push({ place, value });
  }
  return runs;
}
