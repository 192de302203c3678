import type { Outputs } from '../../lib/api.ts';
import { plural } from '../../lib/format.ts';
import type { MachineFilter } from '../../lib/search.ts';
import { type TileState, tileStates, tilesOf } from './tiles.ts';

type Counts = Outputs['machines']['counts'];

const fills: Record<TileState, string> = {
  failed: 'bg-bad-bar',
  offline: 'bg-warn-bar',
  behind: 'bg-busy-bar',
  done: 'bg-ok-bar/80',
};
const words: Record<TileState, string> = { failed: 'failed', offline: 'offline', behind: 'behind', done: 'up to date' };

/** The fleet at a glance: a field of tiles for each region, the worst first. A region opens its machines. */
export function RegionTiles({
  counts,
  region: chosen,
  onChoose,
}: {
  counts: Counts;
  region: string | undefined;
  onChoose: (region: string, show: MachineFilter) => void;
}) {
  return (
    <div className="grid grid-cols-[repeat(auto-fill,minmax(11rem,1fr))] gap-3">
      {counts.map((region) => {
        const isChosen = chosen === region.region;
        const said = tileStates
          .filter((state) => region[state] > 0)
          .map((state) => `${region[state].toLocaleString('en')} ${words[state]}`)
          .join(', ');
        return (
          <button
            key={region.region}
            type="button"
            aria-pressed={isChosen}
            onClick={() => onChoose(isChosen ? '' : region.region, region.failed > 0 && !isChosen ? 'failed' : 'all')}
            className={`panel px-3.5 py-2.5 text-left hover:bg-sunken/50 ${isChosen ? '!border-accent' : ''}`}
          >
            <span className="flex items-baseline justify-between gap-2">
              <span className="font-mono text-xs font-semibold text-ink">{region.region}</span>
              <span className="text-xs text-ink-3">{plural(region.machines, 'machine')}</span>
            </span>
            <span aria-hidden className="mt-1.5 grid grid-cols-20 gap-[2px]">
              {tilesOf(region).map((state, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a tile is nothing but its place.
                <span key={index} className={`aspect-square rounded-[1.5px] ${state ? fills[state] : 'bg-line'}`} />
              ))}
            </span>
            <span className="mt-1.5 block truncate text-xs text-ink-2" title={said}>
              {said || 'no machines'}
            </span>
          </button>
        );
      })}
    </div>
  );
}
