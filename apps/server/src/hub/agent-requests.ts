import type { IncomingMessage, ServerResponse } from 'node:http';
import { sessionRequest } from '@starling/shared/agent-identity.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { agentEnrolment } from '@starling/shared/enrolment.ts';
import { type ErrorCode, messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { z } from 'zod';
import type { Logger } from '../lib/log.ts';
import { RateLimit } from '../lib/rate-limit.ts';
import { type AgentSessions, sessionLifetimeMs } from './agent-sessions.ts';
import { callerAddress, type TrustedProxies } from './caller-address.ts';
import type { Control } from './ports.ts';

const longestBodyBytes = 16 * 1024;
const longestReadBytes = 1024 * 1024;
/** New machines that are passed on to control: a whole image's worth at once must not keep the hub's reports waiting. */
const enrolments = { burst: 100, perSecond: 50 };
/** Wrong tokens of one address. Sessions are not counted: nobody guesses a signature, and all may come by one proxy. */
const wrongTries = { burst: 50, perSecond: 0.5 };

const statuses: Partial<Record<ErrorCode, number>> = {
  INVALID_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  CONFLICT: 409,
};

export interface AgentRequestsOptions {
  sessions: AgentSessions;
  /** Who may say for whom it calls. */
  proxies?: TrustedProxies | undefined;
  control: Pick<Control, 'enrolAgent'>;
  clock: Clock;
  log: Logger;
}

type Answered = { status: number; body: object; waitMs?: number };

/**
 * How an agent becomes known and proves who it is: `POST /enrol` (passed on to control), `POST /agents/challenge` and
 * `POST /agents/session` (answered here). Bodies are JSON.
 */
export class AgentRequests {
  readonly #options: AgentRequestsOptions;
  readonly #enrolments: RateLimit;
  readonly #wrong: RateLimit;

  constructor(options: AgentRequestsOptions) {
    this.#options = options;
    this.#enrolments = new RateLimit({ ...enrolments, clock: options.clock });
    this.#wrong = new RateLimit({ ...wrongTries, clock: options.clock });
  }

  /** Answers a POST; false when there is nothing at `path`. */
  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const routes: Record<string, (body: unknown, address: string) => Answered | Promise<Answered>> = {
      '/enrol': (body, address) => this.#enrol(body, address),
      '/agents/challenge': () => ({ status: 200, body: this.#options.sessions.challenge() }),
      '/agents/session': (body) => this.#open(body),
    };
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (!route) return false;
    const body = await readJson(request);
    const isRead = body !== undefined;
    const address = callerAddress(request, this.#options.proxies);
    send(response, isRead ? await route(body, address) : { status: 400, body: { message: 'the body is not JSON' } });
    return true;
  }

  async #enrol(body: unknown, address: string): Promise<Answered> {
    const { control, log } = this.#options;
    const given = agentEnrolment.safeParse(body);
    if (!given.success) return wrongInput(given.error);
    const waitMs = this.#wrong.waitFor(address) || this.#enrolments.take('all');
    if (waitMs > 0) return busy(429, waitMs);
    try {
      const credential = await control.enrolAgent(given.data);
      log.info(`${given.data.name} is enrolled`);
      return { status: 200, body: credential };
    } catch (thrown) {
      const status = thrown instanceof StarlingError ? statuses[thrown.code] : undefined;
      if (!(thrown instanceof StarlingError) || status === undefined) {
        log.warn(`${given.data.name} could not be enrolled: ${messageOf(thrown)}`);
        return { ...busy(503, 5_000), body: { message: `control cannot be asked now: ${messageOf(thrown)}` } };
      }
      if (thrown.code === 'UNAUTHENTICATED') this.#wrong.take(address);
      return { status, body: { code: thrown.code, message: thrown.message, fix: thrown.fix ?? null } };
    }
  }

  #open(body: unknown): Answered {
    const given = sessionRequest.safeParse(body);
    if (!given.success) return wrongInput(given.error);
    const opened = this.#options.sessions.open(given.data);
    if ('session' in opened) return { status: 200, body: { ...opened, expiresInMs: sessionLifetimeMs } };
    const { refusal, reason } = opened;
    if (refusal === 'NOT_READY') return { ...busy(503, 2_000), body: { code: refusal, message: reason } };
    return { status: 403, body: { code: refusal, message: reason } };
  }
}

const busy = (status: number, waitMs: number): Answered => ({
  status,
  waitMs,
  body: { message: `too many requests; try again in ${Math.ceil(waitMs / 1_000)} s` },
});

function wrongInput({ issues: [issue] }: z.ZodError): Answered {
  return { status: 400, body: { code: 'INVALID_INPUT', message: `${issue?.path.join('.')}: ${issue?.message}` } };
}

function send(response: ServerResponse, { status, body, waitMs }: Answered): void {
  if (waitMs !== undefined) response.setHeader('retry-after', Math.ceil(waitMs / 1_000));
  const text = `${JSON.stringify(body)}\n`;
  // With its length known beforehand the answer is one write, of which a region that comes back needs many thousand.
  const length = Buffer.byteLength(text);
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': length,
  });
  response.end(text);
}

/** The body, or undefined when it is too long or no JSON; an empty one is an empty object. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes <= longestBodyBytes) pieces.push(piece);
    // Breaking off ends the connection before it is answered, so a little too much is read to its end.
    else if (bytes > longestReadBytes) break;
  }
  if (bytes > longestBodyBytes) return undefined;
  try {
    return bytes === 0 ? {} : JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch {
    return undefined;
  }
}
