import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@starling/shared/clock.ts';

const validMs = 60_000;

/**
 * What agents are asked to sign. A challenge is recognised by its own code (HMAC-SHA-256 with a secret of this process),
 * so that those who only ask for challenges cost no memory; it is numbered, so that whoever opens a session with it can
 * be held to a higher number the next time.
 */
export class Challenges {
  readonly #clock: Clock;
  readonly #secret = randomBytes(32);
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  issue(): string {
    this.#last += 1;
    const head = `${this.#last}.${this.#clock.now()}`;
    return `${head}.${this.#codeOf(head)}`;
  }

  /** The number of a challenge that was issued here less than a minute ago; undefined for anything else. */
  numberOf(nonce: string): number | undefined {
    const match = /^((\d{1,15})\.(\d{1,15}))\.([A-Za-z0-9_-]{43})$/.exec(nonce);
    if (!match) return undefined;
    const [, head = '', number, issuedAt, code = ''] = match;
    if (!timingSafeEqual(Buffer.from(code), Buffer.from(this.#codeOf(head)))) return undefined;
    return this.#clock.now() - Number(issuedAt) <= validMs ? Number(number) : undefined;
  }

  #codeOf(head: string): string {
    return createHmac('sha256', this.#secret).update(head).digest('base64url');
  }
}
