import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { type FetchAccount, noBytes, type SourceBytes } from '@starling/shared/swarm-view.ts';
import { addressOf } from '@starling/swarm/lane-sources.ts';
import type { Membership } from '@starling/swarm/swarm.ts';

// What a machine says of a fetch: from whom, and what it waits for. Nothing here is decided by it.

/** As it is now, over all packs of a fetch. */
export interface SourceAccount extends Omit<FetchAccount, 'diskShare' | 'stillMs'> {
  /** Milliseconds so far in which pieces were being checked and written. */
  checkingMs: number;
}

/** Sums up the memberships of a fetch; `hub` is where the hub is in swarms, undefined when it did not say. */
export function accountOf(
  memberships: readonly (Pick<Membership, 'intakes'> | undefined)[],
  hub: SwarmPeer | undefined,
  beside: Pick<SourceBytes, 'http' | 'base'>,
): SourceAccount {
  const hubAddress = hub && addressOf(hub);
  const sum = {
    sources: { ...noBytes, ...beside },
    ...{ lanes: 0, useful: 0, asked: 0, wrongPieces: 0, checkingMs: 0 },
  };
  for (const membership of memberships) {
    if (!membership) continue;
    const { bytesFrom, lanes, useful, asked, wrongPieces, checkingMs } = membership.intakes();
    for (const [address, bytes] of bytesFrom) sum.sources[address === hubAddress ? 'hub' : 'peers'] += bytes;
    sum.lanes += lanes;
    sum.useful += useful;
    sum.asked += asked;
    sum.wrongPieces += wrongPieces;
    sum.checkingMs += checkingMs;
  }
  return sum;
}

/** Makes of counts that only grow what they did since it was told last. */
export class AccountTelling {
  #toldAt: number;
  #checkingMs = 0;
  #bytes = -1;
  #grewAt: number;

  /** Milliseconds by the agent's clock. */
  constructor(now: number) {
    this.#toldAt = now;
    this.#grewAt = now;
  }

  tell(bytesDone: number, { checkingMs, ...account }: SourceAccount, now: number): FetchAccount {
    const elapsedMs = now - this.#toldAt;
    const diskShare = elapsedMs > 0 ? Math.min(1, Math.max(0, (checkingMs - this.#checkingMs) / elapsedMs)) : 0;
    if (bytesDone !== this.#bytes) this.#grewAt = now;
    this.#bytes = bytesDone;
    this.#toldAt = now;
    this.#checkingMs = checkingMs;
    return { ...account, diskShare: Math.round(diskShare * 100) / 100, stillMs: Math.max(0, now - this.#grewAt) };
  }
}
