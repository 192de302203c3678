import { randomUUID } from 'node:crypto';
import type { Server as HttpsServer } from 'node:https';
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify';
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import type { OpenIdSignIn } from '../accounts/openid.ts';
import type { SessionLimits } from '../accounts/sessions.ts';
import { followTlsFiles, readTls, type TlsFiles } from '../lib/tls.ts';
import { serveAudit } from './audit-route.ts';
import { callerOf, presentedBy } from './caller.ts';
import { registerConsole } from './console-routes.ts';
import type { ApiDependencies, Context } from './context.ts';
import { registerEnrolRoute } from './enrol-route.ts';
import { type ReadMetrics, serveMetrics } from './metrics-route.ts';
import { registerOpenIdRoutes } from './openid-routes.ts';
import { registerPlainHttp } from './plain-http.ts';
import { protect, type RequestLimits } from './protect.ts';
import { rootRouter } from './root.ts';
import { registerSessionRoutes } from './session-routes.ts';
import { registerWebhookRoutes } from './webhook-routes.ts';

export interface ApiServerOptions extends ApiDependencies {
  host: string;
  port: number;
  /** Without it the server speaks plain HTTP. */
  tls: TlsFiles | undefined;
  /** Addresses of proxies whose `X-Forwarded-…` headers are believed; `true` believes all. */
  trustProxy: string[] | boolean;
  /** The built console; without it only the API is served. */
  consoleFolder: string | undefined;
  sessions: SessionLimits;
  requestLimits: RequestLimits;
  /** Undefined when people sign in with passwords and tokens alone. */
  openId: OpenIdSignIn | undefined;
  isHealthy: () => Promise<{ healthy: boolean; [fact: string]: unknown }>;
  /** Without it there is no `/metrics`. */
  readMetrics?: ReadMetrics;
}

export interface ApiServer {
  url: string;
  stop(): Promise<void>;
}

/** Serves the API (`/trpc`, `/api/v1`), signing in, webhooks, health (`/healthz`), `/metrics` and the console (`/`). */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const {
    host,
    port,
    tls,
    trustProxy,
    consoleFolder,
    sessions,
    requestLimits,
    openId,
    isHealthy,
    readMetrics,
    ...rest
  } = options;
  const dependencies: ApiDependencies = rest;
  const { database, clock, log } = dependencies;
  const pair = tls && readTls(tls);
  const server = fastify({
    bodyLimit: 8 * 1024 * 1024,
    requestTimeout: 60_000,
    genReqId: () => randomUUID(),
    trustProxy,
    // A batch of calls is one path as long as its procedures' names.
    routerOptions: { maxParamLength: 5_000 },
    forceCloseConnections: true,
    ...(pair && { https: { ...pair, minVersion: 'TLSv1.2' as const } }),
  }) as unknown as FastifyInstance;
  const stopFollowing = tls && pair && followTlsFiles(server.server as unknown as HttpsServer, tls, pair, clock, log);
  // Behind a proxy that speaks HTTPS for us the public address says so.
  const secure = pair !== undefined || dependencies.publicUrl?.startsWith('https:') === true;
  const wrongTries = protect(server, { clock, limits: requestLimits, secure });

  const caller = async (request: FastifyRequest) => {
    const presented = presentedBy(request);
    const found = await callerOf(database, presented, sessions);
    if (!found && presented.token !== undefined) wrongTries.note(request);
    return found;
  };
  const contextOf = async (request: FastifyRequest): Promise<Context> => ({
    ...dependencies,
    caller: await caller(request),
    requestId: request.id,
  });
  registerPlainHttp(server, contextOf);
  await server.register(fastifyTRPCPlugin, {
    prefix: '/trpc',
    trpcOptions: {
      router: rootRouter,
      createContext: ({ req }: { req: FastifyRequest }) => contextOf(req),
    },
  });

  const sessionRoutes = { database, log, clock, sessions, secure, wrongTries };
  registerSessionRoutes(server, sessionRoutes);
  registerEnrolRoute(server, dependencies, wrongTries);
  if (openId) registerOpenIdRoutes(server, openId, sessionRoutes);
  /** What the sign-in page offers. */
  server.get('/session/ways', (_request, reply) => reply.send({ openId: openId !== undefined }));
  await registerWebhookRoutes(server, dependencies);
  server.get('/healthz', async (_request, reply) => {
    const state = await isHealthy();
    return reply.code(state.healthy ? 200 : 503).send(state);
  });
  serveAudit(server, database, caller);
  if (readMetrics) serveMetrics(server, caller, readMetrics);
  await registerConsole(server, consoleFolder);

  await server.listen({ host, port });
  const address = server.server.address();
  const boundPort = address && typeof address === 'object' ? address.port : port;
  const url = `${pair ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${boundPort}`;
  log.info(`API and console on ${url}`);
  return {
    url,
    stop: async () => {
      stopFollowing?.();
      await server.close();
    },
  };
}
