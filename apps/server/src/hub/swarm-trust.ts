import type { Clock } from '@starling/shared/clock.ts';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Unproven } from '@starling/swarm/swarm.ts';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Logger } from '../lib/log.ts';

const sayEveryMs = 60_000;
/** How long nobody is told of a machine that sent wrong bytes; whom it sent them does not call it for as long either. */
export const distrustMs = 600_000;
/** Machines that one machine may have put aside at once: a liar could else take the others away from each other. */
const accusedByOne = 3;

interface Accusation {
  by: string;
  until: number;
}

export interface TrustState {
  callsWithoutKey: number;
  wrongPieces: number;
  /** Machines that nobody is told of for now. */
  putAside: string[];
}

/** What is known of members of the region's swarms that cannot be trusted. */
export class SwarmTrust {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By machine, the last accusation. */
  readonly #accused = new Map<string, Accusation>();
  #saidAt = Number.NEGATIVE_INFINITY;
  #refusedCount = 0;
  #wrongCount = 0;
  readonly #registry = new Registry();
  readonly #refused = new Counter({
    name: 'starling_hub_calls_without_key_total',
    help: 'Calls to the seeder of this hub by somebody without the key of the swarm.',
    registers: [this.#registry],
  });
  readonly #wrong = new Counter({
    name: 'starling_hub_wrong_pieces_total',
    help: 'Reports of machines that another, or this hub, sent them wrong bytes.',
    registers: [this.#registry],
  });
  readonly #putAside: Gauge = new Gauge({
    name: 'starling_hub_machines_put_aside',
    help: 'Machines that nobody is told of for now, because they sent wrong bytes.',
    registers: [this.#registry],
    collect: (): void => this.#putAside.set(this.describe().putAside.length),
  });

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Somebody called this hub's seeder without the key. Anyone on the network can, so it is said once a minute at most. */
  refused({ host }: Unproven): void {
    this.#refused.inc();
    this.#refusedCount += 1;
    const now = this.#clock.now();
    if (now - this.#saidAt < sayEveryMs) return;
    this.#saidAt = now;
    this.#log.warn(`${host} called the swarm without its key; ${this.#refusedCount} such calls so far`);
  }

  /**
   * `by` says that it was sent wrong bytes by `machine`, or by a member at `peer` that is no machine it was told of. True when
   * the machine is put aside because of it.
   */
  accuse(by: string, machine: string | undefined, peer: SwarmPeer): boolean {
    this.#wrong.inc();
    this.#wrongCount += 1;
    const now = this.#clock.now();
    const standing = [...this.#accused].filter(([, accusation]) => accusation.by === by && accusation.until > now);
    const isHeard = machine !== undefined && machine !== by && standing.length < accusedByOne;
    if (isHeard) this.#accused.set(machine, { by, until: now + distrustMs });
    const outcome = isHeard ? `nobody is told of it for ${distrustMs / 60_000} minutes` : 'nothing follows from it';
    this.#log.warn(
      { by, machine, peer },
      `${machine ?? `${peer.host}:${peer.port}`} sent ${by} wrong bytes; ${outcome}`,
    );
    return isHeard;
  }

  isPutAside(machine: string): boolean {
    return (this.#accused.get(machine)?.until ?? 0) > this.#clock.now();
  }

  /** The machines whose time is over, once each: others may be told of them again. */
  takeRestored(): string[] {
    const restored = [...this.#accused.keys()].filter((machine) => !this.isPutAside(machine));
    for (const machine of restored) this.#accused.delete(machine);
    return restored;
  }

  describe(): TrustState {
    const putAside = [...this.#accused.keys()].filter((machine) => this.isPutAside(machine));
    return { callsWithoutKey: this.#refusedCount, wrongPieces: this.#wrongCount, putAside };
  }

  /** In the text format of Prometheus. */
  async metrics(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
