import { type IdentityKind, identityKinds } from '@starling/shared/permissions.ts';
import { Ban, CircleCheck, IdCard } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Select } from '../../components/field.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { Status, Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import { client, type Identity } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { usePages } from '../../lib/pages.ts';
import type { RegionsSearch } from '../../lib/search.ts';
import { Invitations } from './invitations.tsx';
import { RevokeDialog } from './revoke-dialog.tsx';

const pageSize = 200;

/** Hubs, workers and agents that have enrolled, and the invitations that still let somebody in. */
export function IdentitiesView({
  search,
  onSearch,
  regions,
  blocked,
}: {
  search: RegionsSearch;
  onSearch: (search: RegionsSearch) => void;
  regions: readonly string[];
  /** Why nothing can be changed. */
  blocked: string | null;
}) {
  const [revoking, setRevoking] = useState<Identity | null>(null);
  const filters = {
    ...(search.kind ? { kind: search.kind } : {}),
    ...(search.region ? { region: search.region } : {}),
    ...(search.show === 'revoked' ? { revoked: true } : {}),
  };
  const identities = usePages({
    path: ['identities', 'list'],
    input: filters,
    pageSize,
    read: (after: string | undefined, signal) =>
      client.identities.list.query({ ...filters, limit: pageSize, ...(after ? { after } : {}) }, { signal }),
    next: ({ kind, name }) => `${kind}/${name}`,
    keyOf: ({ kind, name }) => `${kind}/${name}`,
  });
  const { rows } = identities;
  const error = errorToShow(identities);
  /** Another filter; undefined takes it away. */
  const choose = (changed: { [Key in keyof RegionsSearch]?: RegionsSearch[Key] | undefined }) =>
    onSearch(
      Object.fromEntries(
        Object.entries({ ...search, ...changed }).filter(([, value]) => value !== undefined && value !== ''),
      ) as RegionsSearch,
    );
  return (
    <div className="flex flex-col gap-4">
      <Invitations blocked={blocked} />
      <div className="flex flex-wrap items-center gap-2">
        <Select
          label="Kind"
          value={search.kind ?? ''}
          onChange={(kind) => choose({ kind: identityKinds.find((candidate) => candidate === kind) })}
          options={[
            { value: '', text: 'Any kind' },
            ...identityKinds.map((kind: IdentityKind) => ({ value: kind, text: `${kind}s` })),
          ]}
        />
        <Select
          label="Region"
          value={search.region ?? ''}
          onChange={(region) => choose({ region })}
          options={[{ value: '', text: 'All regions' }, ...regions.map((value) => ({ value, text: value }))]}
        />
        <Select
          label="State"
          value={search.show ?? ''}
          onChange={(show) => choose({ show: show === 'revoked' ? 'revoked' : undefined })}
          options={[
            { value: '', text: 'Let in or shut out' },
            { value: 'revoked', text: 'Shut out' },
          ]}
        />
        <span className="text-xs text-ink-3" role="status">
          {rows && `${plural(rows.length, 'identity', 'identities')}${identities.hasNextPage ? ' loaded' : ''}`}
        </span>
        <span className="min-w-0 flex-1" />
        <div className="w-80 max-w-full">
          <CliLine command={cli.identities(filters)} />
        </div>
      </div>
      {error && (
        <ErrorPanel error={error} title="The identities could not be read" onRetry={() => void identities.refetch()} />
      )}
      {!error && (
        <Panel flush>
          {!rows && <Loading rows={8} label="Loading identities" />}
          {rows && rows.length === 0 && (
            <EmptyState
              icon={IdCard}
              title={Object.keys(filters).length > 0 ? 'Nothing matches these filters' : 'Nothing was let in yet'}
            >
              Make an enrolment token with “Let one in”, and give it to the new hub, worker or agent.
            </EmptyState>
          )}
          {rows && rows.length > 0 && (
            <VirtualRows
              rows={rows}
              keyOf={({ kind, name }) => `${kind}/${name}`}
              label="Identities"
              maxHeight="calc(100vh - 24rem)"
              columns="minmax(4.25rem,5rem) minmax(9rem,1.5fr) minmax(5rem,7rem) minmax(5.5rem,7rem) minmax(8rem,1.5fr) 5.75rem"
              head={[
                'Kind',
                'Name',
                'Region',
                'Let in',
                'State',
                <span key="more" className="sr-only">
                  Actions
                </span>,
              ]}
              {...(identities.hasNextPage && { onEnd: () => void identities.fetchNextPage() })}
            >
              {(identity) => ({
                cells: [
                  <Tag key="kind">{identity.kind}</Tag>,
                  <span key="name" className="block truncate font-mono text-xs font-medium text-ink">
                    {identity.name}
                  </span>,
                  <span key="region" className="font-mono text-xs text-ink-2">
                    {identity.region ?? '–'}
                  </span>,
                  <span key="since" className="text-xs text-ink-2">
                    <Ago at={identity.enrolledAt} />
                  </span>,
                  identity.revokedAt ? (
                    <span key="state" className="flex flex-wrap items-baseline gap-x-2">
                      <Status tone="bad" icon={Ban}>
                        Shut out
                      </Status>
                      <span className="text-xs text-ink-3">
                        by {identity.revokedBy} <Ago at={identity.revokedAt} />
                      </span>
                    </span>
                  ) : (
                    <Status key="state" tone="ok" icon={CircleCheck}>
                      Let in
                    </Status>
                  ),
                  identity.revokedAt ? (
                    ''
                  ) : (
                    <Button
                      key="revoke"
                      size="small"
                      look="quiet"
                      disabledBecause={blocked}
                      onClick={() => setRevoking(identity)}
                      icon={<Ban aria-hidden className="size-3.5" />}
                    >
                      Revoke<span className="sr-only"> {identity.name}</span>
                    </Button>
                  ),
                ],
              })}
            </VirtualRows>
          )}
        </Panel>
      )}
      {revoking && <RevokeDialog identity={revoking} onClose={() => setRevoking(null)} />}
    </div>
  );
}
