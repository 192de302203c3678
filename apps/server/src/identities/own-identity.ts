import { readIfThere } from '@starling/host/durable-file.ts';
import { identityPath, type KeptIdentity, openIdentity } from '@starling/host/kept-identity.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { enrolmentRefusal, type ServerEnrolment } from '@starling/shared/enrolment.ts';
import { type ErrorCode, errorCodes, messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { Logger } from '../lib/log.ts';
import { hashOfToken, newToken } from '../lib/random-token.ts';

// The side of a hub or a worker: it makes a secret, keeps it, and shows its hash to control once.

export interface OwnIdentityOptions {
  kind: ServerEnrolment['kind'];
  name: string;
  /** Null for a worker. */
  region: string | null;
  dataDir: string;
  /** Where control is; needed for the first start only. */
  controlUrl: string | undefined;
  /** The file with the enrolment token; needed, and read, for the first start only. */
  tokenFile: string | undefined;
  clock: Clock;
  log: Logger;
  /** How long control may be away when it is needed; a minute when left out. */
  patienceMs?: number;
}

const standardPatienceMs = 60_000;
const requestTimeoutMs = 10_000;
const firstPauseMs = 250;
const longestPauseMs = 5_000;

/**
 * The secret that this process is known by. On the first start it enrols. Throws what control refuses it for, and
 * UNAVAILABLE when control cannot be reached for that.
 */
export async function ownIdentity(options: OwnIdentityOptions): Promise<string> {
  const { kind, name, region, dataDir, controlUrl, tokenFile, clock, log } = options;
  const kept = await openIdentity(identityPath(dataDir, kind, name), newToken);
  if (kept.proof && 'region' in kept.proof && kept.proof.region === region) return kept.secret;
  if (controlUrl === undefined)
    throw notEnrolled(options, kept, 'STARLING_CONTROL_URL and STARLING_ENROLMENT_TOKEN_FILE');
  const token = tokenFile === undefined ? undefined : (await readIfThere(tokenFile))?.trim() || undefined;
  const request: ServerEnrolment = { kind, name, region, credentialHash: hashOfToken(kept.secret), token };
  const until = clock.now() + (options.patienceMs ?? standardPatienceMs);
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    const answer = await ask(controlUrl, request);
    if ('proof' in answer) {
      await kept.keep(answer.proof);
      log.info(`enrolled as ${kind} ${name}; what it is known by is kept in ${kept.path}`);
      return kept.secret;
    }
    if (answer.refused) {
      // Without a token the reason is this configuration.
      throw token === undefined && answer.refused.code === 'UNAUTHENTICATED'
        ? notEnrolled(options, kept, 'STARLING_ENROLMENT_TOKEN_FILE')
        : answer.refused;
    }
    if (clock.now() >= until) {
      throw new StarlingError(
        'UNAVAILABLE',
        `${kind} ${name} cannot enrol: ${controlUrl} does not answer (${answer.away})`,
        {
          field: 'STARLING_CONTROL_URL',
          fix: 'Check that control runs there, and that this host reaches it.',
        },
      );
    }
    log.warn(`control does not answer (${answer.away}); enrolling again in ${pauseMs} ms`);
    await clock.sleep(pauseMs);
  }
}

const notEnrolled = ({ kind, name }: OwnIdentityOptions, { path }: KeptIdentity, variables: string) =>
  new StarlingError('UNAUTHENTICATED', `${kind} ${name} is not enrolled (there is nothing of it in ${path})`, {
    field: 'STARLING_ENROLMENT_TOKEN_FILE',
    fix: `Make a token with "starling enrol ${kind}", put it into a file, and set ${variables}.`,
  });

type Answer = { proof: object } | { refused: StarlingError } | { refused?: undefined; away: string };

async function ask(controlUrl: string, request: ServerEnrolment): Promise<Answer> {
  try {
    const response = await fetch(`${controlUrl}/enrol`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      redirect: 'error',
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok) {
      const isProof = typeof body === 'object' && body !== null && 'name' in body && body.name === request.name;
      return isProof ? { proof: body } : { away: 'what answers there is no Starling' };
    }
    if (response.status === 429 || response.status >= 500) return { away: `HTTP ${response.status}` };
    const { data } = enrolmentRefusal.safeParse(body);
    if (!data) return { away: `what answers there is no Starling: HTTP ${response.status}` };
    const code: ErrorCode = errorCodes.find((known) => known === data.code) ?? 'FORBIDDEN';
    return { refused: new StarlingError(code, data.message, data.fix ? { fix: data.fix } : {}) };
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause ? `: ${messageOf(thrown.cause)}` : '';
    return { away: `${messageOf(thrown)}${cause}` };
  }
}
