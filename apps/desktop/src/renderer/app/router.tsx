import {
  createBrowserHistory,
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  Link,
} from '@tanstack/react-router';
import { Compass } from 'lucide-react';
import { buttonClass } from '../components/button.tsx';
import { ErrorPanel } from '../components/error-panel.tsx';
import { EmptyState, Page } from '../components/page.tsx';
import { BuildPage } from '../features/builds/build-page.tsx';
import { BuildsPage } from '../features/builds/builds-page.tsx';
import { DeploymentPage } from '../features/deployments/deployment-page.tsx';
import { DeploymentsPage } from '../features/deployments/deployments-page.tsx';
import { JobPage } from '../features/jobs/job-page.tsx';
import { MachinePage } from '../features/machines/machine-page.tsx';
import { MachinesPage } from '../features/machines/machines-page.tsx';
import { OverviewPage } from '../features/overview/overview-page.tsx';
import { ProjectPage } from '../features/projects/project-page.tsx';
import { ServersPage } from '../features/servers/servers-page.tsx';
import { platform } from '../lib/platform.ts';
import {
  readBuildsSearch,
  readDeploymentsSearch,
  readJobSearch,
  readMachinesSearch,
  readProjectSearch,
} from '../lib/search.ts';
import { Shell } from './shell.tsx';

// Every page has an address; features only get what their address says and a way to change it.

/** Empty filters leave the address. A filter that is typed replaces the entry of the history, it adds none. */
function without<Search extends object>(search: Search): Search {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== '' && value !== 'all')) as Search;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageError });

const overview = createRoute({ getParentRoute: () => root, path: '/', component: OverviewPage });

const project = createRoute({
  getParentRoute: () => root,
  path: '/projects/$project',
  validateSearch: readProjectSearch,
  component: function ProjectRoute() {
    const navigate = project.useNavigate();
    const { project: name } = project.useParams();
    return (
      <ProjectPage
        key={name}
        name={name}
        search={project.useSearch()}
        onSearch={(search) => void navigate({ search: without(search) })}
      />
    );
  },
});

const builds = createRoute({
  getParentRoute: () => root,
  path: '/builds',
  validateSearch: readBuildsSearch,
  component: function BuildsRoute() {
    const navigate = builds.useNavigate();
    return <BuildsPage search={builds.useSearch()} onSearch={(search) => void navigate({ search: without(search) })} />;
  },
});

const build = createRoute({
  getParentRoute: () => root,
  path: '/builds/$id',
  component: function BuildRoute() {
    const { id } = build.useParams();
    return <BuildPage key={id} id={id} />;
  },
});

const job = createRoute({
  getParentRoute: () => root,
  path: '/jobs/$id',
  validateSearch: readJobSearch,
  component: function JobRoute() {
    const navigate = job.useNavigate();
    const { id } = job.useParams();
    return (
      <JobPage
        key={id}
        id={Number(id)}
        search={job.useSearch()}
        onSearch={(search) => void navigate({ search: without(search), replace: true })}
      />
    );
  },
});

const deployments = createRoute({
  getParentRoute: () => root,
  path: '/deployments',
  validateSearch: readDeploymentsSearch,
  component: function DeploymentsRoute() {
    const navigate = deployments.useNavigate();
    return (
      <DeploymentsPage
        search={deployments.useSearch()}
        onSearch={(search) => void navigate({ search: without(search) })}
      />
    );
  },
});

const deployment = createRoute({
  getParentRoute: () => root,
  path: '/deployments/$id',
  validateSearch: readMachinesSearch,
  component: function DeploymentRoute() {
    const navigate = deployment.useNavigate();
    const { id } = deployment.useParams();
    return (
      <DeploymentPage
        key={id}
        id={Number(id)}
        search={deployment.useSearch()}
        onSearch={(search) => void navigate({ search: without(search), replace: true })}
      />
    );
  },
});

const machines = createRoute({
  getParentRoute: () => root,
  path: '/machines',
  validateSearch: readMachinesSearch,
  component: function MachinesRoute() {
    const navigate = machines.useNavigate();
    return (
      <MachinesPage
        search={machines.useSearch()}
        onSearch={(search) => void navigate({ search: without(search), replace: true })}
      />
    );
  },
});

const machine = createRoute({
  getParentRoute: () => root,
  path: '/machines/$id',
  component: function MachineRoute() {
    const { id } = machine.useParams();
    return <MachinePage key={id} id={id} />;
  },
});

const servers = createRoute({
  getParentRoute: () => root,
  path: '/servers',
  component: platform.servers ? ServersPage : NotFound,
});

export const router = createRouter({
  routeTree: root.addChildren([
    overview,
    project,
    builds,
    build,
    job,
    deployments,
    deployment,
    machines,
    machine,
    servers,
  ]),
  history: createBrowserHistory(),
  defaultPreload: false,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <Page title="Not here">
      <EmptyState
        icon={Compass}
        title="There is no such page"
        action={
          <Link to="/" className={buttonClass('primary')}>
            Go to the overview
          </Link>
        }
      />
    </Page>
  );
}

function PageError({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="This page failed">
      <ErrorPanel error={error} title="The console met an unexpected error" onRetry={reset} />
    </Page>
  );
}
