import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import fastifyStatic from '@fastify/static';
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify';
import { type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { callerOf } from './caller.ts';
import type { ApiDependencies, Context } from './context.ts';
import { type ReadMetrics, serveMetrics } from './metrics-route.ts';
import { registerPlainHttp } from './plain-http.ts';
import { rootRouter } from './root.ts';
import { registerWebhookRoutes } from './webhook-routes.ts';

export interface ApiServerOptions extends ApiDependencies {
  host: string;
  port: number;
  /** The built console; without it only the API is served. */
  consoleFolder: string | undefined;
  isHealthy: () => Promise<{ healthy: boolean; [fact: string]: unknown }>;
  /** Without it there is no `/metrics`. */
  readMetrics?: ReadMetrics;
}

export interface ApiServer {
  url: string;
  stop(): Promise<void>;
}

const cookieName = 'starling_session';
const cookieAttributes = 'Path=/; HttpOnly; SameSite=Strict';

/** Serves the API (`/trpc`, `/api/v1`), the session cookie (`/session`), health (`/healthz`), `/metrics` and the console (`/`). */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { host, port, consoleFolder, isHealthy, readMetrics, ...dependencies } = options;
  const { database, log } = dependencies;
  const server = fastify({
    bodyLimit: 8 * 1024 * 1024,
    requestTimeout: 60_000,
    genReqId: () => randomUUID(),
    // A batch of calls is one path as long as its procedures' names.
    routerOptions: { maxParamLength: 5_000 },
    forceCloseConnections: true,
  });

  server.addHook('onRequest', async (request, reply) => {
    reply.header('X-Request-Id', request.id);
    reply.header('X-Content-Type-Options', 'nosniff');
    reply.header('X-Frame-Options', 'DENY');
    reply.header('Referrer-Policy', 'no-referrer');
    // A page of another site must not act with our cookie (SameSite=Strict says so too; this also covers old browsers).
    const { origin } = request.headers;
    if (origin && request.headers.cookie?.includes(cookieName) && new URL(origin).host !== request.headers.host) {
      return reply.code(403).send({ message: 'This request comes from another site.' });
    }
  });

  const contextOf = async (request: FastifyRequest): Promise<Context> => ({
    ...dependencies,
    caller: await callerOf(database, tokenOf(request)),
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

  // Signing in keeps the token in a cookie that no script can read, so that a page never holds it.
  server.post('/session', async (request, reply) => {
    const token = (request.body as { token?: unknown } | null)?.token;
    const caller = typeof token === 'string' ? await callerOf(database, token) : undefined;
    if (!caller) return reply.code(401).send({ message: 'This token is not known here, or no longer valid.' });
    return reply.header('Set-Cookie', `${cookieName}=${token}; ${cookieAttributes}; Max-Age=2592000`).send(caller);
  });
  server.delete('/session', (_request, reply) =>
    reply.header('Set-Cookie', `${cookieName}=; ${cookieAttributes}; Max-Age=0`).send({}),
  );

  await registerWebhookRoutes(server, dependencies);

  server.get('/healthz', async (_request, reply) => {
    const state = await isHealthy();
    return reply.code(state.healthy ? 200 : 503).send(state);
  });
  if (readMetrics) serveMetrics(server, database, readMetrics);

  if (consoleFolder && existsSync(consoleFolder)) {
    await server.register(fastifyStatic, { root: consoleFolder, setHeaders: setConsoleHeaders });
    // The console has its own routes: every page address loads the same document.
    server.setNotFoundHandler((request, reply) =>
      request.method === 'GET' && request.headers.accept?.includes('text/html')
        ? reply.sendFile('index.html')
        : reply.code(404).send({ message: `${request.method} ${request.url} is not here.` }),
    );
  }

  await server.listen({ host, port });
  const address = server.server.address();
  const boundPort = address && typeof address === 'object' ? address.port : port;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`;
  log.info(`API and console on ${url}`);
  return { url, stop: () => server.close() };
}

function tokenOf(request: FastifyRequest): string | undefined {
  const { authorization, cookie } = request.headers;
  if (authorization?.startsWith('Bearer ')) return authorization.slice('Bearer '.length);
  return cookie
    ?.split('; ')
    .find((pair) => pair.startsWith(`${cookieName}=`))
    ?.slice(cookieName.length + 1);
}

function setConsoleHeaders(reply: FastifyReply, path: string): void {
  const policy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
  reply.header('Content-Security-Policy', policy);
  // Built files carry their digest in their names; the document that names them does not.
  reply.header('Cache-Control', /\/assets\//.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache');
}
