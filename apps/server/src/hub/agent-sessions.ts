import {
  hashOfAgentKey,
  holdsKey,
  readCredential,
  type SessionRefusal,
  type SessionRequest,
} from '@starling/shared/agent-identity.ts';
import type { Clock } from '@starling/shared/clock.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import { hashOfToken, newToken } from '../lib/random-token.ts';
import { Challenges } from './challenges.ts';
import type { SessionOwner } from './ports.ts';
import type { Revocations } from './revocations.ts';

export const sessionLifetimeMs = 60 * 60_000;

export interface AgentSessionsOptions {
  hub: string;
  region: string;
  /** Control's keys for the credentials of agents. */
  trusted: TrustedKeys;
  revocations: Pick<Revocations, 'isKnown' | 'has'>;
  clock: Clock;
}

interface Session extends SessionOwner {
  tokenHash: string;
  expiresAt: number;
  /** The number of the challenge it was opened with. */
  challenge: number;
}

export type Refused = { refusal: SessionRefusal; reason: string };

/**
 * Which agents have proved who they are, in the memory of this hub: one session a machine, so there are never more than
 * enrolled machines. Everything is checked here, without control.
 */
export class AgentSessions {
  readonly #options: AgentSessionsOptions;
  readonly #challenges: Challenges;
  readonly #ofMachine = new Map<string, Session>();
  readonly #byTokenHash = new Map<string, Session>();

  constructor(options: AgentSessionsOptions) {
    this.#options = options;
    this.#challenges = new Challenges(options.clock);
  }

  challenge(): { hub: string; nonce: string } {
    return { hub: this.#options.hub, nonce: this.#challenges.issue() };
  }

  /** Opens a session in place of the machine's earlier one, or says why not. The token is in this answer alone. */
  open({ credential: candidate, nonce, signature }: SessionRequest): { session: string } | Refused {
    const { hub, region, trusted, revocations, clock } = this.#options;
    const credential = readCredential(candidate, trusted);
    if (typeof credential === 'string') return refused('NOT_TRUSTED', `the credential is refused: ${credential}`);
    const { machine } = credential;
    if (credential.region !== region)
      return refused(
        'WRONG_REGION',
        `this hub is of the region ${region}, ${machine} is enrolled in ${credential.region}`,
      );
    const keyHash = hashOfAgentKey(credential.publicKey);
    if (!revocations.isKnown) return refused('NOT_READY', 'this hub has not heard yet which agents were revoked');
    if (revocations.has(keyHash)) return refused('REVOKED', `the identity of ${machine} was revoked`);
    const challenge = this.#challenges.numberOf(nonce);
    if (challenge === undefined)
      return refused('BAD_PROOF', 'the challenge is not of this hub, or was answered too late');
    if (!holdsKey(credential, { hub, nonce }, signature))
      return refused('BAD_PROOF', 'the challenge was not signed with the key of the credential');
    const earlier = this.#ofMachine.get(machine);
    if (earlier && earlier.challenge >= challenge) return refused('BAD_PROOF', 'the challenge was used already');
    this.#forget(machine);
    const token = newToken();
    const session = {
      machine,
      keyHash,
      challenge,
      tokenHash: hashOfToken(token),
      expiresAt: clock.now() + sessionLifetimeMs,
    };
    this.#ofMachine.set(machine, session);
    this.#byTokenHash.set(session.tokenHash, session);
    return { session: token };
  }

  /** Whose session an `Authorization` header shows; undefined when it is none, or over. */
  ownerOf(authorization: string | undefined): SessionOwner | undefined {
    const token = /^Bearer (\S{1,200})$/i.exec(authorization ?? '')?.[1];
    const session = token === undefined ? undefined : this.#byTokenHash.get(hashOfToken(token));
    return session && session.expiresAt > this.#options.clock.now() ? session : undefined;
  }

  /** Ends the session of a key that was revoked. */
  end({ machine, keyHash }: SessionOwner): void {
    if (this.#ofMachine.get(machine)?.keyHash === keyHash) this.#forget(machine);
  }

  #forget(machine: string): void {
    const session = this.#ofMachine.get(machine);
    if (!session) return;
    this.#ofMachine.delete(machine);
    this.#byTokenHash.delete(session.tokenHash);
  }
}

const refused = (refusal: SessionRefusal, reason: string): Refused => ({ refusal, reason });
