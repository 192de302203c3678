import type { AddressInfo } from 'node:net';
import { type ErrorCode, StarlingError } from '@starling/shared/errors.ts';
import { initTRPC, TRPCError } from '@trpc/server';
import { createHTTPServer } from '@trpc/server/adapters/standalone';

// A real tRPC server over HTTP with the paths of Starling's API and answers that a test decides.

export type Answer = (input: never, token: string | undefined) => unknown;

const queries = [
  'audit.list',
  'audit.verify',
  'builds.diff',
  'builds.get',
  'builds.inspect',
  'builds.list',
  'builds.versions',
  'deployments.gates',
  'deployments.get',
  'deployments.list',
  'deployments.machines',
  'deployments.measurements',
  'deployments.preview',
  'forecasts.get',
  'identities.invitations',
  'identities.list',
  'history.list',
  'history.trends',
  'jobs.get',
  'jobs.list',
  'jobs.readLog',
  'line.list',
  'machines.counts',
  'machines.list',
  'overview.get',
  'projects.list',
  'quarantines.list',
  'queue.status',
  'session.whoAmI',
  'approvals.waiting',
  'swarm.get',
  'swarm.machine',
  'tasks.list',
  'tasks.log',
  'webhooks.deliveries',
  'workers.list',
] as const;
const mutations = [
  'deployments.abort',
  'deployments.deploy',
  'deployments.pause',
  'deployments.promote',
  'deployments.resume',
  'deployments.rollback',
  'deployments.undoRollback',
  'identities.invite',
  'identities.revoke',
  'identities.withdraw',
  'jobs.create',
  'line.start',
  'line.stop',
  'projects.add',
  'quarantines.lift',
  'webhooks.secret',
  'workers.drain',
  'workers.resume',
] as const;
export type Path = (typeof queries)[number] | (typeof mutations)[number];

export interface StubServer {
  url: string;
  /** What was called, in order, with its input. */
  calls: { path: Path; input: unknown }[];
  /** What a procedure answers from now on; those without an answer refuse with INTERNAL. */
  answers: Partial<Record<Path, Answer>>;
  /** How many streams of changes are open. */
  streams(): number;
  /** Tells every stream that these topics changed. */
  announce(...topics: string[]): void;
  /** Streams are refused from now on, as a proxy without support for them would. */
  refuseStreams(): void;
  stop(): Promise<void>;
}

interface StubContext {
  token: string | undefined;
}

const trpcCodes: Partial<Record<ErrorCode, TRPCError['code']>> = {
  INVALID_INPUT: 'BAD_REQUEST',
  UNAUTHENTICATED: 'UNAUTHORIZED',
  FORBIDDEN: 'FORBIDDEN',
  NOT_FOUND: 'NOT_FOUND',
  CONFLICT: 'CONFLICT',
  PRECONDITION_FAILED: 'PRECONDITION_FAILED',
};

/** Listens on `port`, or on a free one. */
export async function startStubServer(answers: StubServer['answers'] = {}, port = 0): Promise<StubServer> {
  const calls: StubServer['calls'] = [];
  const listeners = new Set<(topics: string[]) => void>();
  let refusing = false;
  const t = initTRPC.context<StubContext>().create({
    errorFormatter: ({ shape, error }) => ({
      ...shape,
      data: {
        ...shape.data,
        stack: undefined,
        starlingCode: error.cause instanceof StarlingError ? error.cause.code : 'INTERNAL',
        field: error.cause instanceof StarlingError ? (error.cause.field ?? null) : null,
        fix: error.cause instanceof StarlingError ? (error.cause.fix ?? null) : null,
        requestId: 'request-1',
      },
    }),
  });

  const answer = async (path: Path, input: unknown, token: string | undefined) => {
    calls.push({ path, input });
    try {
      const found = stub.answers[path];
      if (!found) throw new Error(`the test gives no answer to ${path}`);
      return await found(input as never, token);
    } catch (thrown) {
      if (!(thrown instanceof StarlingError)) throw thrown;
      throw new TRPCError({
        code: trpcCodes[thrown.code] ?? 'INTERNAL_SERVER_ERROR',
        message: thrown.message,
        cause: thrown,
      });
    }
  };
  const input = t.procedure.input((value: unknown) => value);
  const procedures: Record<string, Record<string, unknown>> = {};
  const add = (path: string, procedure: unknown) => {
    const [room, name] = path.split('.') as [string, string];
    (procedures[room] ??= {})[name] = procedure;
  };
  for (const path of queries)
    add(
      path,
      input.query(({ input: value, ctx }) => answer(path, value, ctx.token)),
    );
  for (const path of mutations)
    add(
      path,
      input.mutation(({ input: value, ctx }) => answer(path, value, ctx.token)),
    );
  add(
    'overview.changes',
    t.procedure.subscription(async function* ({ signal }) {
      if (refusing) throw new TRPCError({ code: 'FORBIDDEN', message: 'no streams here' });
      const pending: string[][] = [[]];
      let wake = () => {};
      const listen = (topics: string[]) => {
        pending.push(topics);
        wake();
      };
      listeners.add(listen);
      signal?.addEventListener('abort', () => wake());
      try {
        while (!signal?.aborted) {
          for (const topics of pending.splice(0)) yield topics;
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (pending.length > 0 || signal?.aborted) resolve();
          });
        }
      } finally {
        listeners.delete(listen);
      }
    }),
  );

  const server = createHTTPServer({
    router: t.router(
      Object.fromEntries(
        Object.entries(procedures).map(([room, routes]) => [room, t.router(routes as never)]),
      ) as never,
    ),
    basePath: '/trpc/',
    createContext: async ({ req }) => ({ token: req.headers.authorization?.replace(/^Bearer /, '') }) as never,
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stub: StubServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answers,
    streams: () => listeners.size,
    announce: (...topics) => {
      for (const listener of listeners) listener(topics);
    },
    refuseStreams: () => {
      refusing = true;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stub;
}
