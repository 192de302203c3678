import { allows, allProjects, projectsWith } from '@starling/shared/permissions.ts';
import { Page } from '../../components/page.tsx';
import { ViewTabs } from '../../components/view-tabs.tsx';
import { useCaller, useTitle } from '../../lib/hooks.ts';
import type { SettingsSearch, SettingsTab } from '../../lib/search.ts';
import { AlertsView } from './alerts-view.tsx';
import { FreezesView } from './freezes-view.tsx';
import { PeopleView } from './people-view.tsx';
import { ProjectsView } from './projects-view.tsx';
import { RetentionView } from './retention-view.tsx';
import { TokensView } from './tokens-view.tsx';

const texts: Record<SettingsTab, string> = {
  projects: 'Projects',
  freezes: 'Freezes',
  alerts: 'Alerts',
  retention: 'Retention',
  people: 'People',
  tokens: 'You',
};

/** What is set: for projects, for all of Starling, and for oneself. Only what this person may see has a tab. */
export function SettingsPage({
  search,
  onSearch,
}: {
  search: SettingsSearch;
  onSearch: (search: SettingsSearch) => void;
}) {
  useTitle('Settings');
  const { data: caller } = useCaller();
  const grants = caller?.grants ?? [];
  const ofAll = allows(grants, 'administer', allProjects);
  const ofSome = projectsWith(grants, 'administer').length > 0;
  const names: SettingsTab[] = [
    ...(ofSome ? (['projects'] as const) : []),
    'freezes',
    ...(ofAll ? (['alerts', 'retention', 'people'] as const) : []),
    'tokens',
  ];
  const tab = search.tab && names.includes(search.tab) ? search.tab : names[0]!;
  return (
    <Page title="Settings" below={caller && `Signed in as ${caller.name}`}>
      <ViewTabs
        tabs={names.map((name) => ({ name, text: texts[name] }))}
        value={tab}
        onChange={(next) => onSearch({ tab: next })}
      >
        {tab === 'projects' && <ProjectsView search={search} onSearch={onSearch} />}
        {tab === 'freezes' && <FreezesView />}
        {tab === 'alerts' && <AlertsView />}
        {tab === 'retention' && <RetentionView />}
        {tab === 'people' && <PeopleView />}
        {tab === 'tokens' && <TokensView />}
      </ViewTabs>
    </Page>
  );
}
