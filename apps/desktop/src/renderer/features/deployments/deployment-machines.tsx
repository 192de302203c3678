import { Link } from '@tanstack/react-router';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useState } from 'react';
import { Bar } from '../../components/bar.tsx';
import { Button } from '../../components/button.tsx';
import { SearchInput, Select } from '../../components/field.tsx';
import { Loading, Panel } from '../../components/page.tsx';
import { StepBadge } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import type { DeploymentMachine, DeploymentWithRegions } from '../../lib/api.ts';
import { formatBytes, formatRate, percentOf, plural } from '../../lib/format.ts';
import { type MachineFilter, type MachinesSearch, machineFilters } from '../../lib/search.ts';

const words: Record<MachineFilter, string> = {
  all: 'Any state',
  failed: 'Failed',
  behind: 'In progress',
  offline: 'Offline',
  done: 'Done',
};

/** The machines of a deployment, failed ones first, as the server lists them; what a machine said is one click away. */
export function DeploymentMachines({
  deployment,
  machines,
  search,
  onSearch,
  onMore,
}: {
  deployment: DeploymentWithRegions;
  machines: readonly DeploymentMachine[] | undefined;
  search: MachinesSearch;
  onSearch: (search: MachinesSearch) => void;
  onMore: (() => void) | undefined;
}) {
  const isOver = deployment.status !== 'RUNNING';
  const show = search.show ?? 'all';
  const shown = machines;
  const isFiltered = Boolean(search.find || search.region) || show !== 'all';
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const toggle = (machine: string) =>
    setOpened((before) => {
      const after = new Set(before);
      if (!after.delete(machine)) after.add(machine);
      return after;
    });
  return (
    <Panel
      title="Machines"
      flush
      beside={
        <span className="flex flex-wrap items-center gap-2">
          <span className="text-xs text-ink-3" role="status">
            {shown && `${plural(shown.length, 'machine')}${onMore ? ' loaded' : ''}`}
          </span>
          <SearchInput
            label="Find by name"
            value={search.find ?? ''}
            onChange={(event) => onSearch({ ...search, find: event.target.value })}
            className="w-48"
          />
          <Select
            label="Region"
            value={search.region ?? ''}
            onChange={(region) => onSearch({ ...search, region })}
            options={[
              { value: '', text: 'All regions' },
              ...deployment.regions.map(({ region }) => ({ value: region, text: region })),
            ]}
          />
          <Select
            label="State"
            value={show}
            onChange={(value) => onSearch({ ...search, show: value as MachineFilter })}
            options={machineFilters.map((value) => ({ value, text: words[value] }))}
          />
        </span>
      }
    >
      {!shown && <Loading rows={6} label="Loading machines" />}
      {shown && shown.length === 0 && (
        <p className="px-4 py-6 text-center text-ink-2">
          {isFiltered ? 'No machine matches these filters.' : 'No machine has reported yet.'}
        </p>
      )}
      {shown && shown.length > 0 && (
        <VirtualRows
          rows={shown}
          keyOf={(machine) => machine.machine}
          label="Machines of this deployment"
          maxHeight="28rem"
          columns="minmax(8rem,1fr) minmax(5rem,6.5rem) minmax(10rem,2fr) minmax(7rem,1fr) minmax(5rem,6rem) 5.25rem"
          head={[
            'Machine',
            'Region',
            'Step',
            'Fetched',
            'Heard',
            <span key="more" className="sr-only">
              Details
            </span>,
          ]}
        >
          {(machine) => {
            const isOpen = opened.has(machine.machine);
            return {
              cells: [
                <Link
                  key="machine"
                  to="/machines/$id"
                  params={{ id: machine.machine }}
                  className="link block truncate py-0.5 font-mono text-xs font-medium text-ink"
                >
                  {machine.machine}
                </Link>,
                <span key="region" className="font-mono text-xs text-ink-2">
                  {machine.region}
                </span>,
                <span key="step" className="block">
                  {machine.reached || machine.step !== null ? (
                    <StepBadge step={machine.step} online={machine.online || (isOver && machine.step !== null)} />
                  ) : (
                    <span className="text-ink-3">{isOver ? 'Not reached' : 'In a later wave'}</span>
                  )}
                  {machine.step === 'FAILED' && machine.detail && !isOpen && (
                    <span className="block truncate text-xs text-ink-2">{machine.detail.split('\n', 1)[0]}</span>
                  )}
                </span>,
                <Fetched key="fetched" machine={machine} />,
                <span key="heard" className="text-xs text-ink-2">
                  <Ago at={machine.updatedAt} />
                </span>,
                machine.detail ? (
                  <button
                    key="more"
                    type="button"
                    aria-expanded={isOpen}
                    onClick={() => toggle(machine.machine)}
                    className="inline-flex h-6 items-center gap-1 rounded px-1.5 text-xs text-accent hover:bg-accent-soft"
                  >
                    {isOpen ? (
                      <ChevronDown aria-hidden className="size-3.5" />
                    ) : (
                      <ChevronRight aria-hidden className="size-3.5" />
                    )}
                    {machine.step === 'FAILED' ? 'Reason' : 'Details'}
                    <span className="sr-only"> of {machine.machine}</span>
                  </button>
                ) : (
                  ''
                ),
              ],
              ...(isOpen && machine.detail
                ? {
                    detail: (
                      <pre
                        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
                        tabIndex={0}
                        className="mx-4 mb-2 max-h-48 overflow-auto rounded-md bg-log px-3 py-2 font-mono text-xs whitespace-pre-wrap text-log-ink"
                      >
                        {machine.detail}
                      </pre>
                    ),
                  }
                : {}),
            };
          }}
        </VirtualRows>
      )}
      {onMore && (
        <div className="flex items-center justify-center gap-3 border-t border-line px-4 py-2 text-xs text-ink-2">
          The first {plural(shown?.length ?? 0, 'machine')}, the worst of them first, are loaded.
          <Button size="small" onClick={onMore}>
            Load more
          </Button>
        </div>
      )}
    </Panel>
  );
}

function Fetched({ machine }: { machine: DeploymentMachine }) {
  if (machine.bytesTotal === 0) return <span className="text-xs text-ink-3">–</span>;
  const percent = percentOf(machine.bytesDone, machine.bytesTotal);
  return (
    <span className="block">
      <span className="mb-0.5 flex justify-between gap-2 text-xs text-ink-2">
        <span className="truncate">
          {formatBytes(machine.bytesDone)}
          {machine.step === 'FETCHING' && machine.bytesPerSecond > 0 && `, ${formatRate(machine.bytesPerSecond)}`}
        </span>
        <span>{percent} %</span>
      </span>
      <Bar
        total={machine.bytesTotal}
        label={`${percent} percent fetched`}
        segments={[{ amount: machine.bytesDone, tone: percent === 100 ? 'ok' : 'busy' }]}
      />
    </span>
  );
}
