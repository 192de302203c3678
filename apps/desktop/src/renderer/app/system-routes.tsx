import { createRoute } from '@tanstack/react-router';
import { ApprovalsPage } from '../features/approvals/approvals-page.tsx';
import { AuditPage } from '../features/audit/audit-page.tsx';
import { DesignPage } from '../features/design/design-page.tsx';
import { DoctorPage } from '../features/doctor/doctor-page.tsx';
import { HistoryPage } from '../features/history/history-page.tsx';
import { RegionsPage } from '../features/regions/regions-page.tsx';
import { SettingsPage } from '../features/settings/settings-page.tsx';
import { WorkersPage } from '../features/workers/workers-page.tsx';
import { readAuditSearch, readHistorySearch, readRegionsSearch, readSettingsSearch } from '../lib/search.ts';
import { root, without } from './root-route.tsx';

// The pages about Starling itself and about what it did, beside those of projects and machines.

const approvals = createRoute({ getParentRoute: () => root, path: '/approvals', component: ApprovalsPage });

const history = createRoute({
  getParentRoute: () => root,
  path: '/history',
  validateSearch: readHistorySearch,
  component: function HistoryRoute() {
    const navigate = history.useNavigate();
    return (
      <HistoryPage
        search={history.useSearch()}
        onSearch={(search) => void navigate({ search: without(search), replace: true })}
      />
    );
  },
});

const audit = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  validateSearch: readAuditSearch,
  component: function AuditRoute() {
    const navigate = audit.useNavigate();
    return (
      <AuditPage
        search={audit.useSearch()}
        onSearch={(search) => void navigate({ search: without(search), replace: true })}
      />
    );
  },
});

const workers = createRoute({ getParentRoute: () => root, path: '/workers', component: WorkersPage });

const regions = createRoute({
  getParentRoute: () => root,
  path: '/regions',
  validateSearch: readRegionsSearch,
  component: function RegionsRoute() {
    const navigate = regions.useNavigate();
    return (
      <RegionsPage search={regions.useSearch()} onSearch={(search) => void navigate({ search: without(search) })} />
    );
  },
});

const doctor = createRoute({ getParentRoute: () => root, path: '/doctor', component: DoctorPage });

const settings = createRoute({
  getParentRoute: () => root,
  path: '/settings',
  validateSearch: readSettingsSearch,
  component: function SettingsRoute() {
    const navigate = settings.useNavigate();
    return (
      <SettingsPage search={settings.useSearch()} onSearch={(search) => void navigate({ search: without(search) })} />
    );
  },
});

/** For those who build the console: not in the sidebar. */
const design = createRoute({ getParentRoute: () => root, path: '/design', component: DesignPage });

export const systemRoutes = [approvals, history, audit, workers, regions, doctor, settings, design] as const;
