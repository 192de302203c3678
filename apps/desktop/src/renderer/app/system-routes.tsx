import { createRoute } from '@tanstack/react-router';
import { ApprovalsPage } from '../features/approvals/approvals-page.tsx';
import { AuditPage } from '../features/audit/audit-page.tsx';
import { HistoryPage } from '../features/history/history-page.tsx';
import { WorkersPage } from '../features/workers/workers-page.tsx';
import { readAuditSearch, readHistorySearch } from '../lib/search.ts';
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

export const systemRoutes = [approvals, history, audit, workers] as const;
