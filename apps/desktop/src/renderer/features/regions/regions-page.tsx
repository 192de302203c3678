import { allows, allProjects } from '@starling/shared/permissions.ts';
import { useQuery } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Page, Panel } from '../../components/page.tsx';
import { ViewTabs } from '../../components/view-tabs.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useCaller, useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import type { RegionsSearch } from '../../lib/search.ts';
import { IdentitiesView } from './identities-view.tsx';
import { InviteDialog } from './invite-dialog.tsx';
import { KeyTable } from './key-table.tsx';
import { LoopTable } from './loop-table.tsx';
import { RegionTable } from './region-table.tsx';

/** Machines and leaders are heard all the time; while somebody looks, that is as old as this at most. */
const askEveryMs = 5_000;

/** Where Starling runs: each region's hubs, store and keys, who leads what, and who was let in. */
export function RegionsPage({
  search,
  onSearch,
}: {
  search: RegionsSearch;
  onSearch: (search: RegionsSearch) => void;
}) {
  useTitle('Regions');
  const { data: caller } = useCaller();
  const readOnly = useWhyReadOnly();
  const [inviting, setInviting] = useState(false);
  const regions = useQuery({ ...api.regions.list.queryOptions(), refetchInterval: askEveryMs });
  const loops = useQuery({ ...api.servers.loops.queryOptions(), refetchInterval: askEveryMs });
  const error = errorToShow(regions) ?? errorToShow(loops);
  const administers = caller !== undefined && allows(caller.grants, 'administer', allProjects);
  const tab = (administers && search.tab) || 'regions';
  return (
    <Page
      title="Regions"
      below={
        regions.data &&
        `${plural(regions.data.length, 'region')}, ${plural(
          regions.data.reduce((sum, { hubs }) => sum + hubs.length, 0),
          'hub',
        )}, ${plural(
          regions.data.reduce((sum, { machines }) => sum + machines, 0),
          'machine',
        )}`
      }
      actions={
        administers && (
          <Button
            disabledBecause={readOnly}
            onClick={() => setInviting(true)}
            icon={<Plus aria-hidden className="size-3.5" />}
          >
            Let one in
          </Button>
        )
      }
    >
      <ViewTabs
        tabs={[
          { name: 'regions', text: 'Regions and servers' },
          ...(administers ? [{ name: 'identities' as const, text: 'Who was let in' }] : []),
        ]}
        value={tab}
        onChange={(next) => onSearch({ tab: next })}
      >
        {tab === 'identities' ? (
          <IdentitiesView
            search={search}
            onSearch={onSearch}
            regions={regions.data?.map(({ region }) => region) ?? []}
            blocked={readOnly}
          />
        ) : (
          <div className="flex flex-col gap-4">
            {error && (
              <ErrorPanel
                error={error}
                title="The regions could not be read"
                onRetry={() => void Promise.all([regions.refetch(), loops.refetch()])}
              />
            )}
            {!(regions.data && loops.data) && !error && (
              <Panel flush>
                <Loading rows={6} label="Loading regions" />
              </Panel>
            )}
            {regions.data && loops.data && (
              <>
                <RegionTable regions={regions.data} />
                <KeyTable regions={regions.data} />
                <LoopTable loops={loops.data} />
                <div className="grid gap-2 md:grid-cols-2">
                  <CliLine command={cli.regions()} />
                  <CliLine command={cli.servers()} />
                </div>
              </>
            )}
          </div>
        )}
      </ViewTabs>
      {inviting && (
        <InviteDialog regions={regions.data?.map(({ region }) => region) ?? []} onClose={() => setInviting(false)} />
      )}
    </Page>
  );
}
