import type { Clock } from '@starling/shared/clock.ts';
import { type AgentFrame, type MachineReport, maxReportsPerBatch } from '@starling/shared/hub-protocol.ts';
import type { Outbox } from './outbox.ts';

/** Sent and not accepted yet, on one connection. Control may be away for long; the outbox keeps the rest. */
const maxInFlight = 1_000;
/** A batch of long details must fit a frame. */
const maxBatchBytes = 512 * 1024;
/** A hub without room answers nothing and waits for the reports to come again. */
const sendAgainAfterMs = 15_000;

/**
 * Sends what the outbox holds: everything anew on each connection, then each report once, until it is accepted.
 * When nothing was accepted for 15 s, what was sent is sent again.
 */
export class ReportSender {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  /** Sends a frame, or says that there is no connection. */
  readonly #sendFrame: (frame: AgentFrame) => boolean;
  readonly #stopping = new AbortController();
  #watching: Promise<void> | undefined;
  #sentUpTo = 0;
  #acceptedUpTo = 0;
  #movedAt = 0;

  constructor(outbox: Outbox, clock: Clock, sendFrame: (frame: AgentFrame) => boolean) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#sendFrame = sendFrame;
    outbox.onReady(() => this.send());
  }

  start(): void {
    this.#watching ??= this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  /** On a new connection nothing counts as sent. */
  connected(): void {
    this.#sentUpTo = 0;
    this.send();
  }

  accepted(upToSequence: number): void {
    this.#acceptedUpTo = Math.max(this.#acceptedUpTo, upToSequence);
    this.#movedAt = this.#clock.now();
    this.#outbox.accept(upToSequence);
    this.send();
  }

  send(): void {
    for (;;) {
      const waiting = this.#inFlight();
      const room = Math.min(maxReportsPerBatch, maxInFlight - waiting);
      if (room <= 0) return;
      const reports = withinBytes(this.#outbox.after(this.#sentUpTo, room));
      const last = reports.at(-1);
      if (!last || !this.#sendFrame({ type: 'reports', reports })) return;
      if (waiting === 0) this.#movedAt = this.#clock.now();
      this.#sentUpTo = last.sequence;
    }
  }

  #inFlight(): number {
    return this.#outbox.after(this.#acceptedUpTo, maxInFlight).filter(({ sequence }) => sequence <= this.#sentUpTo)
      .length;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#clock.sleep(sendAgainAfterMs / 3, signal);
      if (signal.aborted || this.#inFlight() === 0 || this.#clock.now() - this.#movedAt < sendAgainAfterMs) continue;
      this.#movedAt = this.#clock.now();
      this.connected();
    }
  }
}

function withinBytes(reports: MachineReport[]): MachineReport[] {
  let bytes = 0;
  const end = reports.findIndex((report, index) => {
    bytes += Buffer.byteLength(JSON.stringify(report));
    return index > 0 && bytes > maxBatchBytes;
  });
  return end === -1 ? reports : reports.slice(0, end);
}
