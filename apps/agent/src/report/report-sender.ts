import { type AgentFrame, type MachineReport, maxReportsPerBatch } from '@starling/shared/hub-protocol.ts';
import type { Outbox } from './outbox.ts';

/** Sent and not accepted yet, on one connection. Control may be away for long; the outbox keeps the rest. */
const maxInFlight = 1_000;
/** A batch of long details must fit a frame. */
const maxBatchBytes = 512 * 1024;

/** Sends what the outbox holds: everything anew on each connection, then each report once, until it is accepted. */
export class ReportSender {
  readonly #outbox: Outbox;
  /** Sends a frame, or says that there is no connection. */
  readonly #send: (frame: AgentFrame) => boolean;
  #sentUpTo = 0;
  #acceptedUpTo = 0;

  constructor(outbox: Outbox, send: (frame: AgentFrame) => boolean) {
    this.#outbox = outbox;
    this.#send = send;
    outbox.onReady(() => this.send());
  }

  /** On a new connection nothing counts as sent. */
  connected(): void {
    this.#sentUpTo = 0;
    this.send();
  }

  accepted(upToSequence: number): void {
    this.#acceptedUpTo = Math.max(this.#acceptedUpTo, upToSequence);
    this.#outbox.accept(upToSequence);
    this.send();
  }

  send(): void {
    for (;;) {
      const inFlight = this.#outbox.after(this.#acceptedUpTo, maxInFlight).filter((r) => r.sequence <= this.#sentUpTo);
      const room = Math.min(maxReportsPerBatch, maxInFlight - inFlight.length);
      if (room <= 0) return;
      const reports = withinBytes(this.#outbox.after(this.#sentUpTo, room));
      const last = reports.at(-1);
      if (!last || !this.#send({ type: 'reports', reports })) return;
      this.#sentUpTo = last.sequence;
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
