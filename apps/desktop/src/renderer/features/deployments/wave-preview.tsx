import { TriangleAlert } from 'lucide-react';
import type { Preview } from '../../lib/api.ts';
import { formatDuration, plural } from '../../lib/format.ts';

/** Which machines each wave would add, in order, and how long it takes at least. */
export function WavePreview({ preview }: { preview: Preview }) {
  const { waves, atLeastMs, nobodyIn } = preview;
  return (
    <div className="rounded-lg border border-line">
      <ol aria-label="Waves of this deployment">
        {waves.map(({ wave, who, bakeMs, regions }) => {
          const machines = regions.reduce((sum, region) => sum + region.machines, 0);
          return (
            <li
              key={wave}
              className="flex flex-wrap items-baseline gap-x-3 border-b border-line px-3.5 py-1.5 last:border-b-0"
            >
              <span className="w-5 text-xs font-semibold text-ink-3">{wave}</span>
              <span className="w-36 truncate font-medium text-ink" title={who}>
                {who}
              </span>
              <span className="w-24 text-xs text-ink-2">{plural(machines, 'machine')}</span>
              <span
                className="min-w-0 flex-1 truncate text-xs text-ink-3"
                title={regions.map(({ region, first }) => `${region}: ${first.join(', ')}`).join('\n')}
              >
                {regions.map(({ region, machines: count }) => `${region} ${count}`).join(', ')}
              </span>
              {bakeMs > 0 && <span className="text-xs text-ink-2">bakes {formatDuration(bakeMs)}</span>}
            </li>
          );
        })}
      </ol>
      {(atLeastMs > 0 || nobodyIn.length > 0) && (
        <div className="border-t border-line px-3.5 py-1.5 text-xs text-ink-2">
          {atLeastMs > 0 && `It takes ${formatDuration(atLeastMs)} at least.`}
          {nobodyIn.length > 0 && (
            <p className="flex items-center gap-1.5 text-warn">
              <TriangleAlert aria-hidden className="size-3.5 shrink-0" />
              No machine that is online has {nobodyIn.join('; or ')}.
            </p>
          )}
        </div>
      )}
    </div>
  );
}
