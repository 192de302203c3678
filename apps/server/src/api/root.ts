import { accountsRouter } from './accounts.ts';
import { alertsRouter } from './alerts.ts';
import { auditRouter } from './audit.ts';
import { buildsRouter } from './builds.ts';
import { deploymentsRouter } from './deployments.ts';
import { doctorRouter } from './doctor.ts';
import { forecastsRouter } from './forecasts.ts';
import { approvalsRouter, freezesRouter } from './gates.ts';
import { historyRouter } from './history.ts';
import { hubsRouter } from './hubs.ts';
import { identitiesRouter } from './identities.ts';
import { jobsRouter } from './jobs.ts';
import { lineRouter, quarantinesRouter } from './line.ts';
import { machinesRouter } from './machines.ts';
import { overviewRouter } from './overview.ts';
import { projectsRouter } from './projects.ts';
import { queueRouter } from './queue.ts';
import { regionsRouter } from './regions.ts';
import { retentionRouter } from './retention.ts';
import { serversRouter } from './servers.ts';
import { sessionRouter } from './session.ts';
import { swarmRouter } from './swarm.ts';
import { tasksRouter } from './tasks.ts';
import { tokensRouter } from './tokens.ts';
import { router } from './trpc.ts';
import { webhooksRouter } from './webhooks.ts';
import { workersRouter } from './workers.ts';

export const rootRouter = router({
  accounts: accountsRouter,
  alerts: alertsRouter,
  approvals: approvalsRouter,
  audit: auditRouter,
  builds: buildsRouter,
  deployments: deploymentsRouter,
  doctor: doctorRouter,
  forecasts: forecastsRouter,
  freezes: freezesRouter,
  history: historyRouter,
  hubs: hubsRouter,
  identities: identitiesRouter,
  jobs: jobsRouter,
  line: lineRouter,
  machines: machinesRouter,
  overview: overviewRouter,
  projects: projectsRouter,
  quarantines: quarantinesRouter,
  queue: queueRouter,
  regions: regionsRouter,
  retention: retentionRouter,
  servers: serversRouter,
  session: sessionRouter,
  swarm: swarmRouter,
  tokens: tokensRouter,
  tasks: tasksRouter,
  webhooks: webhooksRouter,
  workers: workersRouter,
});

/** What clients import, as a type. */
export type RootRouter = typeof rootRouter;
