import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Bell, BellOff, CircleCheck, Plus, Send, Trash2, TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { toast } from 'sonner';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { Status, Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { ChannelDialog } from './channel-dialog.tsx';

/** Who is told of what, and what they were told. */
export function AlertsView() {
  const readOnly = useWhyReadOnly();
  const channels = useQuery(api.alerts.channels.queryOptions());
  const recent = useQuery(api.alerts.list.queryOptions({ limit: 10 }));
  const dead = useQuery(api.alerts.deliveries.queryOptions({ status: 'DEAD', limit: 50 }));
  const [adding, setAdding] = useState(false);
  const refresh = () => queryClient.invalidateQueries({ queryKey: api.alerts.pathKey() });
  const test = useMutation(
    api.alerts.testChannel.mutationOptions({
      onSuccess: ({ arrived, error }, { name }) =>
        arrived
          ? toast.success(`A word through ${name} arrived.`)
          : toast.error(`Nothing arrived through ${name}.`, { description: error ?? undefined, duration: 20_000 }),
    }),
  );
  const remove = useMutation(api.alerts.removeChannel.mutationOptions({ onSuccess: refresh }));
  const resend = useMutation(api.alerts.resend.mutationOptions({ onSuccess: refresh }));
  const error = errorToShow(channels) ?? errorToShow(recent) ?? errorToShow(dead);
  const failed = test.error ?? remove.error ?? resend.error;
  const add = (
    <Button
      size="small"
      disabledBecause={readOnly}
      onClick={() => setAdding(true)}
      icon={<Plus aria-hidden className="size-3.5" />}
    >
      Add a channel
    </Button>
  );
  return (
    <div className="flex flex-col gap-4">
      {error && (
        <ErrorPanel
          error={error}
          title="The alerts could not be read"
          onRetry={() => void Promise.all([channels.refetch(), recent.refetch(), dead.refetch()])}
        />
      )}
      {failed && <ErrorPanel error={failed} title="The channel was not changed" />}
      <Panel title="Channels" beside={channels.data && channels.data.length > 0 && add} flush>
        {!channels.data && !error && <Loading rows={3} label="Loading channels" />}
        {channels.data?.length === 0 && (
          <EmptyState icon={Bell} title="Nobody is told of anything" action={add}>
            A channel sends alerts by webhook, to Slack or by e-mail: of builds that fail, rollouts that stall, regions
            that fall silent.
          </EmptyState>
        )}
        {channels.data && channels.data.length > 0 && (
          <table className="grid-table">
            <caption className="sr-only">Alert channels</caption>
            <thead>
              <tr>
                <th scope="col">Channel</th>
                <th scope="col">Sends to</th>
                <th scope="col">What</th>
                <th scope="col">Of</th>
                <th scope="col">
                  <span className="sr-only">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {channels.data.map((channel) => (
                <tr key={channel.name}>
                  <td className="whitespace-nowrap">
                    <span className="block font-medium text-ink">{channel.name}</span>
                    {channel.disabledAt ? (
                      <Status tone="idle" icon={BellOff}>
                        off
                      </Status>
                    ) : (
                      <Status tone="ok" icon={CircleCheck}>
                        on
                      </Status>
                    )}
                  </td>
                  <td>
                    <Tag>{channel.type}</Tag> <span className="text-ink-2">{channel.sendsTo}</span>
                    {channel.signed && <span className="block text-xs text-ink-3">signed</span>}
                  </td>
                  <td>
                    <span className="flex max-w-md flex-wrap gap-1">
                      {channel.kinds.map((kind) => (
                        <Tag key={kind}>{kind}</Tag>
                      ))}
                    </span>
                  </td>
                  <td className="whitespace-nowrap text-ink-2">{channel.project ?? 'all projects'}</td>
                  <td className="text-right whitespace-nowrap">
                    <span className="inline-flex gap-1">
                      <Button
                        size="small"
                        disabledBecause={readOnly}
                        busy={test.isPending && test.variables.name === channel.name}
                        title={readOnly ?? cli.testChannel(channel.name)}
                        onClick={() => test.mutate({ name: channel.name })}
                        icon={<Send aria-hidden className="size-3.5" />}
                      >
                        Test<span className="sr-only"> {channel.name}</span>
                      </Button>
                      <ConfirmButton
                        size="small"
                        look="quiet"
                        disabledBecause={readOnly}
                        title={readOnly ?? cli.removeChannel(channel.name)}
                        again="Really remove?"
                        onConfirm={() => remove.mutate({ name: channel.name })}
                        icon={<Trash2 aria-hidden className="size-3.5" />}
                      >
                        Remove<span className="sr-only"> {channel.name}</span>
                      </ConfirmButton>
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      {dead.data && dead.data.length > 0 && (
        <div role="status" className="flex flex-wrap items-center gap-3 rounded-lg bg-warn-soft px-4 py-2.5 text-warn">
          <TriangleAlert aria-hidden className="size-4 shrink-0" />
          <span className="min-w-0 flex-1">
            <span className="font-semibold">{plural(dead.data.length, 'alert was', 'alerts were')} given up:</span>{' '}
            {dead.data[0]!.channel}: {dead.data[0]!.lastError}
          </span>
          <Button
            size="small"
            disabledBecause={readOnly}
            busy={resend.isPending}
            title={readOnly ?? cli.resendAlerts()}
            onClick={() => resend.mutate({})}
          >
            Send them again
          </Button>
        </div>
      )}
      {recent.data && recent.data.length > 0 && (
        <Panel title="What people were told lately" flush>
          <table className="grid-table">
            <caption className="sr-only">Alerts, newest first</caption>
            <tbody>
              {recent.data.map((alert) => (
                <tr key={alert.id}>
                  <td className="w-24 text-xs text-ink-2">
                    <Ago at={alert.raisedAt} />
                  </td>
                  <td className="w-44">
                    <Tag tone={alert.clearedAt ? 'ok' : 'idle'}>{alert.kind}</Tag>
                  </td>
                  <td>
                    <Link to={alert.path as '/'} className="link text-ink">
                      {alert.title}
                    </Link>
                    <span className="block truncate text-xs text-ink-3">{alert.text}</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      )}
      <div className="max-w-md">
        <CliLine command={cli.channels()} />
      </div>
      {adding && <ChannelDialog onClose={() => setAdding(false)} />}
    </div>
  );
}
