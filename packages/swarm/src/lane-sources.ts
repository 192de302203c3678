import type { HandedPeer, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Intake, IntakeEnd } from './lane-intake.ts';
import type { LaneLimits } from './lane-limits.ts';

/** A member that the hub named, and how it went to call it. */
export interface Source {
  readonly peer: SwarmPeer;
  isNear: boolean;
  intake: Intake | undefined;
  failures: number;
  /** No attempt before this moment. */
  retryAt: number;
  /** Calls in a row that were taken and ended without a word. */
  silentEnds: number;
  stockUntil: number;
  /** Which of the keys it is to be called with. */
  offer: number;
}

export interface Ended {
  intake: Intake;
  why: IntakeEnd;
  now: number;
  /** Nothing more is wanted of this pack. */
  isComplete: boolean;
  /** With how many keys members are called, one after another. */
  offerCount: number;
}

const maxPauseMs = 10_000;
const firstPauseMs = 250;

/** Whom one pack's lanes are to come from, and when each may be called: the hub names them, and how a call ended says when the next is due. */
export class LaneSources {
  readonly #self: string;
  readonly #limits: LaneLimits;
  readonly #sources = new Map<string, Source>();
  readonly #distrusted = new Map<string, number>();

  constructor(self: SwarmPeer, limits: LaneLimits) {
    this.#self = addressOf(self);
    this.#limits = limits;
  }

  /** Only these from now on; lanes from others are closed. */
  name(peers: readonly HandedPeer[]): void {
    const named = new Map(peers.map((peer) => [addressOf(peer), peer]));
    named.delete(this.#self);
    for (const [address, { intake }] of this.#sources) {
      if (named.has(address)) continue;
      this.#sources.delete(address);
      intake?.close('closed');
    }
    for (const [address, { near, ...peer }] of named) {
      const source = this.#sources.get(address) ?? newSource(peer);
      source.isNear = near ?? false;
      this.#sources.set(address, source);
    }
  }

  /** Those without a lane that may be called now. */
  due(now: number): Source[] {
    return [...this.#sources]
      .filter(([address, source]) => {
        const notBefore = Math.max(source.retryAt, source.stockUntil, this.#distrusted.get(address) ?? 0);
        return !source.intake && now >= notBefore;
      })
      .map(([, source]) => source);
  }

  /** Open lanes from members in the same rack. */
  near(): Intake[] {
    return [...this.#sources.values()].flatMap(({ isNear, intake }) => (isNear && intake?.isOpen ? [intake] : []));
  }

  /** Those that answered no lane. */
  stockPeers(now: number): SwarmPeer[] {
    return [...this.#sources.values()].filter(({ stockUntil }) => now < stockUntil).map(({ peer }) => peer);
  }

  opened(source: Source): void {
    source.failures = 0;
    source.silentEnds = 0;
  }

  /** Says what became of a source: it has turned out a stock client, or has now refused every key. */
  ended(source: Source, { intake, why, now, isComplete, offerCount }: Ended): 'stock' | 'unproven' | undefined {
    if (source.intake === intake) source.intake = undefined;
    source.failures += 1;
    source.retryAt = now + Math.min(maxPauseMs, firstPauseMs * 2 ** source.failures);
    // It was let go because nothing was wanted; should that change, it is called at once.
    if (why === 'closed' && isComplete) Object.assign(source, { failures: 0, retryAt: 0 });
    if (why === 'self') source.retryAt = Number.POSITIVE_INFINITY;
    if (why === 'silent') source.silentEnds += 1;
    if (why === 'unproven') {
      // The other keys are tried at once, for the secret may just have changed; then it is left alone.
      source.offer += 1;
      const isLast = source.offer % Math.max(1, offerCount) === 0;
      source.retryAt = isLast ? now + this.#limits.unprovenMs : now;
      if (isLast) return 'unproven';
    } else if (!intake.isOpen && intake.isSealed && why !== 'full') {
      // Without a word: it may be one that takes calls in clear alone, when such are made at all.
      source.offer += 1;
    }
    // One that was killed while it took the call looks like a stock client, once.
    if (why !== 'foreign' && why !== 'otherVersion' && source.silentEnds < 2) return undefined;
    source.stockUntil = now + this.#limits.stockMs;
    return 'stock';
  }

  /** It sent wrong bytes. */
  distrust(peer: SwarmPeer, now: number): void {
    this.#distrusted.set(addressOf(peer), now + this.#limits.distrustMs);
  }

  clear(): void {
    this.#sources.clear();
  }
}

const newSource = (peer: SwarmPeer): Source => ({
  ...{ peer, isNear: false, intake: undefined },
  ...{ failures: 0, retryAt: 0, silentEnds: 0, stockUntil: 0, offer: 0 },
});

export function addressOf({ host, port }: SwarmPeer): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
