import type { Clock } from '@starling/shared/clock.ts';
import type { Unproven } from '@starling/swarm/swarm.ts';
import type { Logger } from '../lib/log.ts';

const sayEveryMs = 60_000;

/** What is known of members of the region's swarms that cannot be trusted. */
export class SwarmTrust {
  readonly #clock: Clock;
  readonly #log: Logger;
  #refused = 0;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Somebody called this hub's seeder without the key. Anyone on the network can, so it is said once a minute at most. */
  refused({ host }: Unproven): void {
    this.#refused += 1;
    const now = this.#clock.now();
    if (now - this.#saidAt < sayEveryMs) return;
    this.#saidAt = now;
    this.#log.warn(`${host} called the swarm without its key; ${this.#refused} such calls so far`);
  }

  describe(): { callsWithoutKey: number } {
    return { callsWithoutKey: this.#refused };
  }
}
