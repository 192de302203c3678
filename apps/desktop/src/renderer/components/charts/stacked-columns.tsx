import { wholeTicks } from '../../lib/scale.ts';
import { ChartFrame } from './chart-frame.tsx';
import { type ChartTone, fills, Swatch } from './legend.tsx';

export interface Layer {
  text: string;
  tone: ChartTone;
  /** One for each place. */
  values: readonly number[];
}

/** Counts by time, one column a place, its parts on top of each other. */
export function StackedColumns({
  label,
  places,
  names,
  layers,
  notes = [],
}: {
  label: string;
  /** Short, for the axis. */
  places: readonly string[];
  /** Whole, for the pointer and those who listen. */
  names: readonly string[];
  layers: readonly Layer[];
  /** Counts that are said beside them and not drawn, as they overlap with what is. */
  notes?: readonly { text: string; values: readonly number[] }[];
}) {
  const sums = places.map((_, place) => layers.reduce((sum, { values }) => sum + (values[place] ?? 0), 0));
  return (
    <ChartFrame
      label={label}
      places={places}
      ticks={wholeTicks(Math.max(0, ...sums))}
      formatTick={(tick) => tick.toLocaleString('en')}
      tip={(place) => (
        <>
          <span className="mb-0.5 block font-semibold">{names[place]}</span>
          {layers.map(({ text, tone, values }) => (
            <span key={text} className="flex items-center gap-1.5">
              <Swatch tone={tone} />
              <span className="flex-1 pr-3 text-ink-2">{text}</span>
              <span className="font-semibold">{values[place]}</span>
            </span>
          ))}
          {notes.map(({ text, values }) => (
            <span key={text} className="flex text-ink-3">
              <span className="flex-1 pr-3 pl-3.5">{text}</span>
              <span>{values[place]}</span>
            </span>
          ))}
        </>
      )}
      table={{
        head: ['When', ...[...layers, ...notes].map(({ text }) => text)],
        rows: names.map((name, place) => [name, ...[...layers, ...notes].map(({ values }) => String(values[place]))]),
      }}
    >
      {({ x, y, step, bottom }) => {
        const width = Math.max(2, Math.min(28, step * 0.68));
        return places.map((name, place) => {
          let below = 0;
          return layers.map(({ text, tone, values }) => {
            const value = values[place] ?? 0;
            if (value === 0) return null;
            const [top, base] = [y(below + value), below === 0 ? bottom : y(below) - 1];
            below += value;
            return (
              <rect
                key={`${name}-${text}`}
                x={x(place) - width / 2}
                width={width}
                y={Math.min(top, base - 1)}
                height={Math.max(1, base - top)}
                rx={Math.min(2, width / 3)}
                className={fills[tone]}
              />
            );
          });
        });
      }}
    </ChartFrame>
  );
}
