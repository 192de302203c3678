import type { RootRouter } from '@starling/server/api/root.ts';
import { QueryClient } from '@tanstack/react-query';
import {
  createTRPCClient,
  httpBatchLink,
  httpSubscriptionLink,
  splitLink,
  TRPCClientError,
  type TRPCClientErrorLike,
} from '@trpc/client';
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server';
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query';
import { FetchEventSource } from './event-source.ts';

export type Inputs = inferRouterInputs<RootRouter>;
export type Outputs = inferRouterOutputs<RootRouter>;
export type ApiError = TRPCClientErrorLike<RootRouter>;
export type Overview = Outputs['overview']['get'];
export type OverviewProject = Overview['projects'][number];
export type RegionCell = OverviewProject['regions'][number];
export type Build = Outputs['builds']['list'][number];
export type Version = Outputs['builds']['versions'][number];
export type Replica = Build['replicas'][number];
export type Job = Outputs['jobs']['list'][number];
export type JobWithStages = Outputs['jobs']['get'];
export type Deployment = Outputs['deployments']['list'][number];
export type DeploymentWithRegions = Outputs['deployments']['get'];
export type RegionProgress = DeploymentWithRegions['regions'][number];
export type DeploymentMachine = Outputs['deployments']['machines'][number];
export type Swarm = Outputs['swarm']['get'];
export type Diff = Outputs['builds']['diff'];
export type ClimbPoint = Outputs['deployments']['burnUp'][number];
export type Machine = Outputs['machines']['list'][number];
export type WaitingDeployment = Outputs['approvals']['waiting'][number];
export type PastDeployment = Outputs['history']['list'][number];
export type Trends = Outputs['history']['trends'];
export type AuditRow = Outputs['audit']['list'][number];
export type Worker = Outputs['workers']['list'][number];
export type QueueState = Outputs['queue']['status'];
export type WaitingJob = Outputs['queue']['waiting'][number];
export type RegionState = Outputs['regions']['list'][number];
export type Identity = Outputs['identities']['list'][number];
export type Account = Outputs['accounts']['list'][number];
export type Token = Outputs['tokens']['list'][number];
export type AlertChannel = Outputs['alerts']['channels'][number];
export type Freeze = Outputs['freezes']['list'][number];
export type LineStop = Outputs['line']['list'][number];
export type Preview = Outputs['deployments']['preview'];
export type Finding = Outputs['doctor']['run'][number];

const patienceMs = 20_000;

/** A request that hangs must not leave the page waiting for ever. */
function fetchWithin(input: RequestInfo | URL | string, init?: object): Promise<Response> {
  const { signal, ...rest } = (init ?? {}) as RequestInit;
  const timeout = AbortSignal.timeout(patienceMs);
  return fetch(input, { ...rest, signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
}

export const client = createTRPCClient<RootRouter>({
  links: [
    splitLink({
      condition: (operation) => operation.type === 'subscription',
      true: httpSubscriptionLink({ url: '/trpc', EventSource: FetchEventSource }),
      false: httpBatchLink({ url: '/trpc', fetch: fetchWithin, maxURLLength: 4_000, maxItems: 40 }),
    }),
  ],
});

const notWorthRetrying = new Set(['UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND', 'BAD_REQUEST', 'CONFLICT']);

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // The change stream says when something is old; a time would only add reads.
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      networkMode: 'always',
      retry: (failures, error) =>
        failures < 2 && !(error instanceof TRPCClientError && notWorthRetrying.has(error.data?.code)),
      retryDelay: (failures) => 400 * 2 ** failures,
    },
    mutations: { networkMode: 'always', retry: false },
  },
});

export const api = createTRPCOptionsProxy<RootRouter>({ client, queryClient });
