import type { FastifyInstance } from 'fastify';
import { flowSeconds, type OpenIdSignIn } from '../accounts/openid.ts';
import { openSession } from '../accounts/sessions.ts';
import { cookieOf } from './caller.ts';
import { guarded, type SessionRoutes, sessionCookie } from './session-routes.ts';

const flowCookie = 'starling_openid';

/** `GET /oidc/start?returnTo=/…` sends the browser to the provider; `GET /oidc/callback` takes it back, signed in. */
export function registerOpenIdRoutes(server: FastifyInstance, openId: OpenIdSignIn, options: SessionRoutes): void {
  const { database, clock, sessions, secure, wrongTries } = options;
  // Lax, as the browser comes back from the provider's site.
  const attributes = `Path=/oidc; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;

  server.get<{ Querystring: { returnTo?: string } }>('/oidc/start', (request, reply) =>
    guarded(request, reply, wrongTries, async () => {
      const { url, flow } = await openId.start(String(request.query.returnTo ?? '/'), clock.now());
      return reply
        .header('Set-Cookie', `${flowCookie}=${flow}; ${attributes}; Max-Age=${flowSeconds}`)
        .header('Cache-Control', 'no-store')
        .redirect(url, 302);
    }),
  );

  server.get('/oidc/callback', (request, reply) =>
    guarded(request, reply, wrongTries, async () => {
      const search = new URL(request.url, 'http://here').search;
      const flow = cookieOf(request.headers.cookie, flowCookie);
      const { account, returnTo } = await openId.finish(search, flow, { id: request.id, nowMs: clock.now() });
      const token = await openSession(database, account.id, sessions);
      return reply
        .header('Set-Cookie', [sessionCookie(token, secure, sessions), `${flowCookie}=; ${attributes}; Max-Age=0`])
        .header('Cache-Control', 'no-store')
        .redirect(returnTo, 302);
    }),
  );
}
