import { createHash } from 'node:crypto';
import type { Clock } from '@starling/shared/clock.ts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RateLimit } from '../lib/rate-limit.ts';
import { presentedBy } from './caller.ts';

export interface RequestLimits {
  /** Calls a second of one caller, on the long run; five times as many at once. */
  callsPerSecond: number;
}

/** Wrong names, passwords and tokens from one address: some at once, then one every few seconds. */
const wrongTries = { burst: 20, perSecond: 0.25 };

export interface WrongTries {
  /** How long an address has to wait before it may try again, in milliseconds; 0 when it need not. */
  waitFor(request: FastifyRequest): number;
  /** Notes that what it tried was wrong. */
  note(request: FastifyRequest): void;
}

/** Adds the headers and checks that every request gets, whatever it asks for. Returns what counts wrong sign-ins. */
export function protect(
  server: FastifyInstance,
  { clock, limits, secure }: { clock: Clock; limits: RequestLimits; secure: boolean },
): WrongTries {
  const calls = new RateLimit({ burst: limits.callsPerSecond * 5, perSecond: limits.callsPerSecond, clock });
  const wrong = new RateLimit({ ...wrongTries, clock });

  server.addHook('onRequest', async (request, reply) => {
    reply.header('X-Request-Id', request.id);
    reply.header('X-Content-Type-Options', 'nosniff');
    reply.header('X-Frame-Options', 'DENY');
    reply.header('Referrer-Policy', 'no-referrer');
    if (secure) reply.header('Strict-Transport-Security', 'max-age=31536000');
    const { session, token } = presentedBy(request);
    // A page of another site must not act with our cookie (SameSite=Strict says so too; this also covers old browsers).
    if (session !== undefined && isForeign(request)) {
      return reply.code(403).send({ message: 'This request comes from another site.' });
    }
    const shown = token ?? session;
    const key = shown === undefined ? request.ip : createHash('sha256').update(shown).digest('base64');
    const waitMs = calls.take(key) || (shown === undefined ? 0 : wrong.waitFor(request.ip));
    if (waitMs > 0) return tooMany(reply, waitMs);
  });

  return {
    waitFor: (request) => wrong.waitFor(request.ip),
    note: (request) => {
      wrong.take(request.ip);
    },
  };
}

function isForeign({ headers }: FastifyRequest): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

export function tooMany(reply: FastifyReply, waitMs: number): FastifyReply {
  return reply
    .code(429)
    .header('Retry-After', Math.ceil(waitMs / 1_000))
    .send({ message: `Too many requests; try again in ${Math.ceil(waitMs / 1_000)} s.` });
}
