import { readIfThere } from '@starling/host/durable-file.ts';
import type { KeptIdentity } from '@starling/host/kept-identity.ts';
import {
  agentChallenge,
  agentCredential,
  answerChallenge,
  publicKeyOf,
  type SessionRefusal,
  sessionAnswer,
} from '@starling/shared/agent-identity.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { enrolmentRefusal } from '@starling/shared/enrolment.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Logger } from 'pino';
import { untilAborted } from '../lib/abort.ts';
import { whyNotReached } from '../lib/why-not-reached.ts';

export interface HubAccessOptions {
  /** `http://host:port` of the hub. */
  hubUrl: string;
  machine: string;
  region: string;
  /** The file with the enrolment token; needed, and read, until this machine is enrolled. */
  tokenFile: string | undefined;
  /** Its secret is this machine's private key, its proof the credential that control signed. */
  identity: KeptIdentity;
  clock: Clock;
  log: Logger;
}

const requestTimeoutMs = 20_000;
/** Asking more often than this would not let a machine in that was shut out. */
const shutOutPauseMs = 60_000;

/**
 * How this machine proves to its hub who it is: enrolled once, then with a session for as long as the hub remembers it.
 * Whoever needs a session asks here, and gives it back when the hub does not take it.
 */
export class HubAccess {
  readonly #options: HubAccessOptions;
  readonly #closing = new AbortController();
  #session: string | undefined;
  #opening: Promise<string> | undefined;
  #shutOut: { error: StarlingError; until: number } | undefined;

  constructor(options: HubAccessOptions) {
    this.#options = options;
  }

  /** A session. FORBIDDEN when only a person can mend it, UNAVAILABLE when it is worth trying again soon. */
  async session(signal: AbortSignal): Promise<string> {
    if (this.#session !== undefined) return this.#session;
    if (this.#shutOut && this.#options.clock.now() < this.#shutOut.until) throw this.#shutOut.error;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return untilAborted(this.#opening, signal);
  }

  /** The hub did not take this session: it was started anew, or the session is over. */
  forget(session: string): void {
    if (this.#session === session) this.#session = undefined;
  }

  /** Ends what is being asked. Nothing is written any more once this has resolved. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#opening?.catch(() => undefined);
  }

  async #open(): Promise<string> {
    const { clock, identity, machine } = this.#options;
    try {
      const kept = this.#keptCredential();
      const credential = kept ?? (await this.#enrol());
      const challenge = agentChallenge.safeParse((await this.#post('/agents/challenge', {})).body);
      if (!challenge.success) throw notNow('what answers there is no hub');
      const signature = answerChallenge(identity.secret, machine, challenge.data);
      const answer = await this.#post('/agents/session', { credential, nonce: challenge.data.nonce, signature });
      const opened = sessionAnswer.safeParse(answer.body);
      if (!answer.ok || !opened.success) throw await this.#refused(answer, kept !== undefined);
      this.#session = opened.data.session;
      this.#shutOut = undefined;
      return opened.data.session;
    } catch (thrown) {
      if (thrown instanceof StarlingError && thrown.code === 'FORBIDDEN') {
        this.#shutOut = { error: thrown, until: clock.now() + shutOutPauseMs };
      }
      throw thrown;
    }
  }

  /** The credential as it came from control, if it says what this machine is configured to be. */
  #keptCredential(): object | undefined {
    const { identity, machine, region } = this.#options;
    const { data } = agentCredential.safeParse(identity.proof);
    return data?.machine === machine && data.region === region ? (identity.proof ?? undefined) : undefined;
  }

  async #enrol(): Promise<object> {
    const { identity, log, machine, region, tokenFile } = this.#options;
    const token = tokenFile === undefined ? undefined : (await readIfThere(tokenFile))?.trim() || undefined;
    const publicKey = publicKeyOf(identity.secret);
    const answer = await this.#post('/enrol', { token, name: machine, region, publicKey });
    const { data } = agentCredential.safeParse(answer.body);
    if (answer.ok && data?.publicKey === publicKey) {
      await identity.keep(answer.body as object);
      log.info({ file: identity.path }, 'enrolled');
      return answer.body as object;
    }
    if (answer.status === 401 && token === undefined) {
      throw new StarlingError('FORBIDDEN', 'this machine is not enrolled, and there is no token to enrol it with', {
        field: 'STARLING_ENROLMENT_TOKEN_FILE',
        fix: `Make a token with "starling enrol agent --region ${region}" and set STARLING_ENROLMENT_TOKEN_FILE.`,
      });
    }
    throw refusal(answer, 'this machine cannot be enrolled');
  }

  async #refused(answer: Answer, wasKept: boolean): Promise<StarlingError> {
    const code = enrolmentRefusal.safeParse(answer.body).data?.code as SessionRefusal | undefined;
    // Control signs another credential for the same key: that mends a key of control that was replaced.
    if (code === 'NOT_TRUSTED') await this.#options.identity.keep(null);
    if (code === 'NOT_TRUSTED' && wasKept) return notNow(`${refusal(answer, '').message}; asking for another`);
    // A hub that started anew between the two requests does not know its challenge any more.
    if (code === 'BAD_PROOF') return notNow(refusal(answer, 'no session').message);
    return refusal(answer, 'the hub shuts this machine out');
  }

  async #post(path: string, body: object): Promise<Answer> {
    try {
      const response = await fetch(`${this.#options.hubUrl}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(requestTimeoutMs)]),
      });
      return { ok: response.ok, status: response.status, body: await response.json().catch(() => undefined) };
    } catch (thrown) {
      throw notNow(whyNotReached(thrown));
    }
  }
}

interface Answer {
  ok: boolean;
  status: number;
  body: unknown;
}

const notNow = (why: string) => new StarlingError('UNAVAILABLE', why);

/** What was answered in words. What has to do with load or with control being away passes by itself. */
function refusal({ status, body }: Answer, what: string): StarlingError {
  const { data } = enrolmentRefusal.safeParse(body);
  const why = data?.message ?? `HTTP ${status}`;
  if (status === 429 || status >= 500 || !data) return notNow(why);
  return new StarlingError('FORBIDDEN', `${what}: ${why}`, data.fix ? { fix: data.fix } : {});
}
