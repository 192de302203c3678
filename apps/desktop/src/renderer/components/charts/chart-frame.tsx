import { type ReactNode, useCallback, useState } from 'react';
import { labelledPlaces } from '../../lib/scale.ts';

const room = { left: 44, right: 8, top: 8, bottom: 22 };
const height = 176;
const labelWidth = 64;

export interface ChartShape {
  /** The middle of a place, and how wide it is, in pixels. */
  x(place: number): number;
  step: number;
  y(value: number): number;
  bottom: number;
  /** The place under the pointer. */
  over: number | null;
}

/**
 * A chart's axes, and what stands above the pointer. `places` are the labels below, the oldest first; `table` says the same in
 * words for those who do not see it. Drawn as wide as there is room, so that its text stays as large as other text.
 */
export function ChartFrame({
  label,
  places,
  ticks,
  formatTick,
  tip,
  table,
  children,
}: {
  label: string;
  places: readonly string[];
  ticks: readonly number[];
  formatTick: (tick: number) => string;
  tip: (place: number) => ReactNode;
  table: { head: readonly string[]; rows: readonly (readonly string[])[] };
  children: (shape: ChartShape) => ReactNode;
}) {
  const [width, setWidth] = useState(0);
  const [over, setOver] = useState<number | null>(null);
  const measure = useCallback((box: HTMLDivElement | null) => {
    if (!box) return;
    const observer = new ResizeObserver(() => setWidth(box.clientWidth));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  const inner = Math.max(1, width - room.left - room.right);
  const step = inner / Math.max(1, places.length);
  const bottom = height - room.bottom;
  const highest = ticks.at(-1) || 1;
  const shape: ChartShape = {
    x: (place) => room.left + (place + 0.5) * step,
    step,
    y: (value) => bottom - (value / highest) * (bottom - room.top),
    bottom,
    over,
  };
  const labelled = labelledPlaces(places.length, Math.floor(inner / labelWidth));
  return (
    <div ref={measure} className="relative min-w-0" style={{ height }}>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={label}
          className="block"
          onPointerMove={(event) => {
            const at = event.clientX - event.currentTarget.getBoundingClientRect().left - room.left;
            const place = Math.floor(at / step);
            setOver(place >= 0 && place < places.length ? place : null);
          }}
          onPointerLeave={() => setOver(null)}
        >
          {ticks.map((tick) => (
            <g key={tick}>
              <line
                x1={room.left}
                x2={width - room.right}
                y1={Math.round(shape.y(tick)) + 0.5}
                y2={Math.round(shape.y(tick)) + 0.5}
                className="stroke-line"
              />
              <text x={room.left - 8} y={shape.y(tick) + 4} textAnchor="end" className="fill-ink-3 text-2xs">
                {formatTick(tick)}
              </text>
            </g>
          ))}
          {labelled.map((place) => (
            <text
              key={place}
              x={Math.min(shape.x(place), width - room.right - 20)}
              y={height - 6}
              textAnchor="middle"
              className="fill-ink-3 text-2xs"
            >
              {places[place]}
            </text>
          ))}
          {over !== null && (
            <rect
              x={room.left + over * step}
              width={step}
              y={room.top}
              height={bottom - room.top}
              className="fill-ink-3/10"
            />
          )}
          {children(shape)}
        </svg>
      )}
      {over !== null && (
        <div
          aria-hidden
          className="pointer-events-none absolute top-1 z-10 min-w-32 rounded-md border border-line bg-raised px-2.5 py-1.5 text-xs text-ink shadow-high"
          style={
            shape.x(over) > width / 2
              ? { right: width - shape.x(over) + step / 2 + 6 }
              : { left: shape.x(over) + step / 2 + 6 }
          }
        >
          {tip(over)}
        </div>
      )}
      {/* Only so tall as a pixel: within the page's scroller, hidden text must not make the page longer. */}
      <div className="sr-only">
        <table>
          <caption>{label}</caption>
          <thead>
            <tr>
              {table.head.map((cell) => (
                <th key={cell} scope="col">
                  {cell}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row) => (
              <tr key={row[0]}>
                {row.map((cell, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: columns never move.
                  <td key={index}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
