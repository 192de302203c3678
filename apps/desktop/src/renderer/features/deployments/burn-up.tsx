import type { ClimbPoint } from '../../lib/api.ts';
import { formatDuration, plural } from '../../lib/format.ts';

const width = 320;
const height = 64;

/** How many machines were through by when, in steps. */
export function BurnUp({
  climb,
  total,
  startedAt,
  endsAt,
}: {
  climb: readonly ClimbPoint[];
  total: number;
  startedAt: number;
  endsAt: number;
}) {
  const steps = climb.map(({ at, done }) => ({ at: Date.parse(at), done })).filter(({ at }) => at >= startedAt);
  const spanMs = Math.max(1_000, endsAt - startedAt);
  const x = (at: number) => Math.min(width, ((at - startedAt) / spanMs) * width);
  const y = (done: number) => height - 2 - (done / Math.max(1, total)) * (height - 4);
  let path = `M0 ${y(0)}`;
  for (const { at, done } of steps) path += `H${x(at).toFixed(1)}V${y(done).toFixed(1)}`;
  path += `H${width}`;
  const words = `${steps.at(-1)?.done ?? 0} of ${plural(total, 'machine')} done after ${formatDuration(spanMs)}`;
  return (
    <figure className="min-w-0">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={words}
        className="h-16 w-full overflow-visible"
      >
        <line
          x1="0"
          x2={width}
          y1={y(total)}
          y2={y(total)}
          className="stroke-line-strong"
          strokeDasharray="3 4"
          vectorEffect="non-scaling-stroke"
        />
        <line
          x1="0"
          x2={width}
          y1={height - 2}
          y2={height - 2}
          className="stroke-line"
          vectorEffect="non-scaling-stroke"
        />
        <path d={`${path}V${height - 2}H0Z`} className="fill-ok-bar/15" />
        <path d={path} className="fill-none stroke-ok-bar" strokeWidth="2" vectorEffect="non-scaling-stroke" />
      </svg>
      <figcaption className="mt-1 flex justify-between text-2xs text-ink-3">
        <span>start</span>
        <span>machines done over {formatDuration(spanMs)}</span>
      </figcaption>
    </figure>
  );
}
