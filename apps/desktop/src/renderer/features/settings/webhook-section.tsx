import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Eye, RefreshCw } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { CopyButton } from '../../components/copy-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Panel } from '../../components/page.tsx';
import { ShownOnce } from '../../components/shown-once.tsx';
import { Ago } from '../../components/time.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

/** What a repository needs to tell of its events, and what came lately. */
export function WebhookSection({ project }: { project: string }) {
  const readOnly = useWhyReadOnly();
  const deliveries = useQuery(api.webhooks.deliveries.queryOptions({ project, limit: 5 }));
  const secret = useMutation(
    api.webhooks.secret.mutationOptions({
      gcTime: 0,
      onSuccess: () => queryClient.invalidateQueries({ queryKey: api.projects.settings.queryKey({ project }) }),
    }),
  );
  return (
    <Panel
      title="Webhooks of the repository"
      beside={
        <span className="flex gap-1.5">
          <Button
            size="small"
            disabledBecause={readOnly}
            busy={secret.isPending && !secret.variables?.rotate}
            onClick={() => secret.mutate({ project })}
            icon={<Eye aria-hidden className="size-3.5" />}
          >
            Show the secret
          </Button>
          <Button
            size="small"
            look="danger"
            disabledBecause={readOnly}
            busy={secret.isPending && secret.variables?.rotate === true}
            title="The secret before is worthless at once"
            onClick={() => secret.mutate({ project, rotate: true })}
            icon={<RefreshCw aria-hidden className="size-3.5" />}
          >
            Make another
          </Button>
        </span>
      }
    >
      <div className="flex flex-col gap-3">
        {secret.error && <ErrorPanel error={secret.error} title="There is no secret to show" />}
        {secret.data && (
          <>
            <ShownOnce secret={secret.data.secret} what="The secret" />
            <dl className="grid gap-x-4 gap-y-1 sm:grid-cols-[5rem_minmax(0,1fr)]">
              {Object.entries(secret.data.addresses).map(([source, address]) => (
                <div key={source} className="contents">
                  <dt className="pt-0.5 text-ink-2">{source}</dt>
                  <dd className="flex min-w-0 items-center gap-1">
                    <code className="truncate font-mono text-xs">{address}</code>
                    <CopyButton text={address} label={`Copy the address for ${source}`} />
                  </dd>
                </div>
              ))}
            </dl>
          </>
        )}
        {deliveries.data?.length === 0 && <p className="text-ink-3">Nothing has come yet.</p>}
        {deliveries.data && deliveries.data.length > 0 && (
          <ul className="flex flex-col gap-1" aria-label="What came lately">
            {deliveries.data.map(({ source, deliveryId, event, receivedAt, outcome, jobs }) => (
              <li key={deliveryId} className="flex flex-wrap items-baseline gap-x-3 text-xs">
                <span className="w-24 text-ink-2">
                  <Ago at={receivedAt} />
                </span>
                <span className="w-28 text-ink">
                  {source} {event}
                </span>
                <span className="min-w-0 flex-1 truncate text-ink-2">{outcome}</span>
                {jobs.slice(0, 3).map((id) => (
                  <Link key={id} to="/jobs/$id" params={{ id: String(id) }} className="link text-accent">
                    job {id}
                  </Link>
                ))}
              </li>
            ))}
          </ul>
        )}
        <div className="max-w-md">
          <CliLine command={cli.webhookSecret(project, false)} />
        </div>
      </div>
    </Panel>
  );
}
