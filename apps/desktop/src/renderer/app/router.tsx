import { createBrowserHistory, createRoute, createRouter } from '@tanstack/react-router';
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
import { NotFound, root, without } from './root-route.tsx';
import { systemRoutes } from './system-routes.tsx';

// Every page has an address; features only get what their address says and a way to change it.

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
    ...systemRoutes,
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
