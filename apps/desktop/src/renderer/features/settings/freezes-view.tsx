import { projectsWith } from '@starling/shared/permissions.ts';
import { useMutation, useQuery } from '@tanstack/react-query';
import { CalendarClock, Plus, Snowflake } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { Status, Tag } from '../../components/status.tsx';
import { api, type Freeze, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { useCaller, useWhyReadOnly } from '../../lib/hooks.ts';
import { FreezeDialog } from './freeze-dialog.tsx';

const local = (at: string) => new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });

/** When nothing but hotfixes and rollbacks may begin. */
export function FreezesView() {
  const readOnly = useWhyReadOnly();
  const { data: caller } = useCaller();
  const mayFreeze = projectsWith(caller?.grants ?? [], 'administer').length > 0;
  const read = useQuery({ ...api.freezes.list.queryOptions(), refetchInterval: 30_000 });
  const { data } = read;
  const error = errorToShow(read);
  const [adding, setAdding] = useState(false);
  const lift = useMutation(
    api.freezes.lift.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: api.freezes.pathKey() }),
    }),
  );
  const blocked = readOnly ?? (mayFreeze ? null : 'Only an administrator freezes and lifts.');
  const add = (
    <Button disabledBecause={blocked} onClick={() => setAdding(true)} icon={<Plus aria-hidden className="size-3.5" />}>
      Freeze deployments
    </Button>
  );
  return (
    <div className="flex flex-col gap-4">
      {error && <ErrorPanel error={error} title="The freezes could not be read" onRetry={() => void read.refetch()} />}
      {lift.error && <ErrorPanel error={lift.error} title="The freeze was not lifted" />}
      {!error && (
        <Panel title="Freezes that hold, or will" beside={data && data.length > 0 && add} flush>
          {!data && <Loading rows={3} label="Loading freezes" />}
          {data && data.length === 0 && (
            <EmptyState icon={Snowflake} title="Nothing is frozen" action={add}>
              A freeze keeps deployments from beginning: over a holiday, or every weekend. Rollbacks always pass,
              hotfixes with a reason.
            </EmptyState>
          )}
          {data && data.length > 0 && (
            <table className="grid-table">
              <caption className="sr-only">Freezes</caption>
              <thead>
                <tr>
                  <th scope="col">State</th>
                  <th scope="col">Why</th>
                  <th scope="col">Of</th>
                  <th scope="col">When</th>
                  <th scope="col">By</th>
                  <th scope="col">
                    <span className="sr-only">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {data.map((freeze) => (
                  <tr key={freeze.id}>
                    <td className="whitespace-nowrap">
                      {freeze.holds ? (
                        <Status tone="busy" icon={Snowflake}>
                          Holds
                        </Status>
                      ) : (
                        <Status tone="idle" icon={CalendarClock}>
                          Later
                        </Status>
                      )}
                    </td>
                    <td className="text-ink">{freeze.reason}</td>
                    <td>{freeze.project ?? <Tag>all projects</Tag>}</td>
                    <td className="text-xs text-ink-2">{whenOf(freeze)}</td>
                    <td className="text-ink-2">{freeze.createdBy}</td>
                    <td className="text-right">
                      <Button
                        size="small"
                        disabledBecause={blocked}
                        busy={lift.isPending && lift.variables.id === freeze.id}
                        title={cli.liftFreeze(freeze.id)}
                        onClick={() => lift.mutate({ id: freeze.id })}
                      >
                        Lift<span className="sr-only"> freeze {freeze.id}</span>
                      </Button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Panel>
      )}
      <div className="max-w-md">
        <CliLine command={cli.freezes()} />
      </div>
      {adding && <FreezeDialog onClose={() => setAdding(false)} />}
    </div>
  );
}

function whenOf({ weekly, startsAt, endsAt, until }: Freeze): string {
  const from = `from ${local(startsAt)}`;
  const end = endsAt ? `until ${local(endsAt)}` : 'until it is lifted';
  if (!weekly) return `${from}, ${end}`;
  const hours = `every ${weekly.days.join(', ')} from ${weekly.from} to ${weekly.to} (${weekly.timeZone})`;
  return until ? `${hours}; now until ${local(until)}` : hours;
}
