import { CliLine } from '../../components/cli-line.tsx';
import { Page } from '../../components/page.tsx';
import { ViewTabs } from '../../components/view-tabs.tsx';
import { cli } from '../../lib/cli-lines.ts';
import { useTitle } from '../../lib/hooks.ts';
import type { HistorySearch } from '../../lib/search.ts';
import { PastDeployments } from './past-deployments.tsx';
import { defaultPeriod, TrendsView } from './trends-view.tsx';

/** What was done, by whom and why; and how well that goes. */
export function HistoryPage({
  search,
  onSearch,
}: {
  search: HistorySearch;
  onSearch: (search: HistorySearch) => void;
}) {
  useTitle('History');
  const tab = search.tab ?? 'deployments';
  const { project, build, person, status, period } = search;
  return (
    <Page title="History" below="Who deployed what, when, where and why, how it ended, and how well that goes">
      <ViewTabs
        tabs={[
          { name: 'deployments', text: 'Deployments' },
          { name: 'trends', text: 'Trends' },
        ]}
        value={tab}
        onChange={(next) => onSearch({ ...search, tab: next })}
      >
        {tab === 'deployments' && <PastDeployments search={search} onSearch={onSearch} />}
        {tab === 'trends' && <TrendsView search={search} onSearch={onSearch} />}
      </ViewTabs>
      <div className="max-w-2xl">
        <CliLine
          command={
            tab === 'trends'
              ? cli.trends({
                  ...(project && { project }),
                  from: period ?? defaultPeriod,
                })
              : cli.history({
                  ...(project && { project }),
                  ...(build && { build }),
                  ...(person && { person }),
                  ...(status && { status }),
                  ...(period && { from: period }),
                })
          }
        />
      </div>
    </Page>
  );
}
