import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { FetchProgress, HubReport, MachineReport } from '@starling/shared/hub-protocol.ts';
import { mostViews, type SwarmView } from '@starling/shared/swarm-view.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import type { Control } from './ports.ts';

const maxItemsPerBatch = 5_000;
const sendEveryMs = 500;
const refreshEveryMs = 10_000;
const viewEveryMs = 2_000;
/** How often control is told of one machine's fetch; what moves in all is in the views. */
const progressEveryMs = 5_000;
const maxPauseMs = 10_000;
const answerTimeoutMs = 15_000;
const farewellTimeoutMs = 2_000;

export type MachineState = HubReport['machines'][number];

export interface ReportQueueOptions {
  hub: string;
  region: string;
  control: Pick<Control, 'report'>;
  clock: Clock;
  log: Logger;
  /** Reports held for control, over all machines. */
  maxReports: number;
  /** Control has every report of the machine up to this one. */
  onAccepted: (machine: string, upToSequence: number) => void;
  /** The machines that are connected now, to be told to control again every ten seconds. */
  connected: () => Iterable<MachineState>;
  /** What moves, where that changed since it was asked last. */
  swarms?: () => SwarmView[];
}

interface MachineReports {
  /** In the order they came, which is the order of their sequences. */
  bySequence: Map<number, MachineReport>;
  /**
   * Set once some were turned away for want of room: the last one seen since. Until the agent goes back behind it,
   * which it does when it sends all it has again, nothing is taken: an acknowledgement covers all that came before.
   */
  turnedAwayUpTo: number | undefined;
}

/**
 * What agents said and control does not know yet. Nothing here is precious: an agent keeps a report until it is told
 * that control has it, so a hub may be killed with a full queue. Reports of one machine go to control in order, and
 * are acknowledged only then.
 */
export class ReportQueue {
  readonly #options: ReportQueueOptions;
  readonly #reports = new Map<string, MachineReports>();
  readonly #machines = new Map<string, MachineState>();
  readonly #progress = new Map<string, HubReport['progress'][number]>();
  /** By machine: when control was last told of a fetch that goes on. */
  readonly #toldAt = new Map<string, number>();
  readonly #swarms = new Map<number, SwarmView>();
  readonly #loop: Loop;
  #size = 0;
  #batchLimit = maxItemsPerBatch;
  #refreshedAt: number;
  #viewedAt = 0;
  #failures = 0;
  #retryAt = 0;
  /** Why control did not take the last batch; undefined when it did. */
  lastError: string | undefined;

  constructor(options: ReportQueueOptions) {
    this.#options = options;
    this.#refreshedAt = options.clock.now();
    this.#loop = new Loop({
      name: 'reports',
      everyMs: sendEveryMs,
      clock: options.clock,
      log: options.log,
      pass: (signal) => this.#pass(signal),
    });
  }

  /** How many reports wait for control. */
  get size(): number {
    return this.#size;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  /** Ends the loop, then tries once to say what is left. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    if (this.#hasAny()) await this.#send(farewellTimeoutMs);
  }

  /** A new connection begins: its agent sends again whatever was not acknowledged. */
  connected(state: MachineState): void {
    this.#machines.set(state.machine, state);
    const known = this.#reports.get(state.machine);
    if (known) known.turnedAwayUpTo = undefined;
  }

  disconnected(state: MachineState): void {
    this.#machines.set(state.machine, { ...state, connected: false });
    this.#toldAt.delete(state.machine);
    if (this.#reports.get(state.machine)?.bySequence.size === 0) this.#reports.delete(state.machine);
  }

  /** Takes reports that came in one frame, in order; false when there was no room: the agent sends them again. */
  add(machine: string, reports: readonly MachineReport[]): boolean {
    const known: MachineReports = this.#reports.get(machine) ?? { bySequence: new Map(), turnedAwayUpTo: undefined };
    const sorted = [...reports].sort((a, b) => a.sequence - b.sequence);
    const [first, last] = [sorted[0]?.sequence, sorted.at(-1)?.sequence];
    if (first === undefined || last === undefined) return true;
    if (known.turnedAwayUpTo !== undefined && first > known.turnedAwayUpTo) {
      known.turnedAwayUpTo = last;
      return false;
    }
    this.#reports.set(machine, known);
    const before = known.bySequence.size;
    const kept = newestOfEach([...known.bySequence.values(), ...sorted]);
    if (this.#size - before + kept.length > this.#options.maxReports) {
      known.turnedAwayUpTo = last;
      return false;
    }
    known.turnedAwayUpTo = undefined;
    known.bySequence = new Map(kept.map((report) => [report.sequence, report]));
    this.#size += kept.length - before;
    return true;
  }

  addProgress(machine: string, progress: FetchProgress): void {
    const key = `${machine}\n${progress.project}`;
    if (this.#progress.has(key) || this.#progress.size < this.#options.maxReports)
      this.#progress.set(key, { ...progress, machine });
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { clock, connected } = this.#options;
    if (clock.now() - this.#refreshedAt >= refreshEveryMs) {
      this.#refreshedAt = clock.now();
      for (const state of connected()) this.#machines.set(state.machine, state);
    }
    if (clock.now() - this.#viewedAt >= viewEveryMs) {
      this.#viewedAt = clock.now();
      for (const view of this.#options.swarms?.() ?? []) this.#swarms.set(view.deployment, view);
    }
    if (clock.now() < this.#retryAt) return;
    while (this.#hasAny() && !signal.aborted) {
      if (!(await this.#send(answerTimeoutMs))) return;
    }
  }

  /** The end of a fetch is told at once, what lies before it now and then. */
  #isDue({ machine, bytesDone, bytesTotal }: HubReport['progress'][number]): boolean {
    const toldAt = this.#toldAt.get(machine);
    return bytesDone >= bytesTotal || toldAt === undefined || this.#options.clock.now() - toldAt >= progressEveryMs;
  }

  #hasAny(): boolean {
    return (
      this.#size > 0 ||
      this.#machines.size > 0 ||
      this.#progress.values().some((one) => this.#isDue(one)) ||
      this.#swarms.size > 0
    );
  }

  /** Sends one batch; false when control did not take it. */
  async #send(timeoutMs: number): Promise<boolean> {
    const { clock, log, onAccepted } = this.#options;
    const batch = this.#takeBatch();
    try {
      await this.#reportWithin(timeoutMs, batch);
    } catch (thrown) {
      this.#putBack(batch);
      this.#failures += 1;
      const pause = Math.min(maxPauseMs, sendEveryMs * 2 ** this.#failures);
      this.#retryAt = clock.now() + pause;
      this.lastError = messageOf(thrown);
      log.warn(
        `control did not take a batch of ${batch.reports.length} reports (${this.lastError}); again in ${pause} ms`,
      );
      return false;
    }
    this.#failures = 0;
    this.lastError = undefined;
    this.#batchLimit = Math.min(maxItemsPerBatch, this.#batchLimit * 2);
    const accepted = new Map<string, number>();
    for (const { machine, sequence } of batch.reports) {
      const known = this.#reports.get(machine);
      if (known?.bySequence.delete(sequence)) this.#size -= 1;
      if (known?.bySequence.size === 0 && known.turnedAwayUpTo === undefined) this.#reports.delete(machine);
      accepted.set(machine, Math.max(sequence, accepted.get(machine) ?? 0));
    }
    for (const [machine, upToSequence] of accepted) onAccepted(machine, upToSequence);
    return true;
  }

  async #reportWithin(timeoutMs: number, batch: HubReport): Promise<void> {
    const { control, clock } = this.#options;
    const answered = new AbortController();
    try {
      const timeout = clock.sleep(timeoutMs, answered.signal).then(() => {
        if (!answered.signal.aborted) throw new Error(`no answer within ${timeoutMs} ms`);
      });
      await Promise.race([control.report(batch), timeout]);
    } finally {
      answered.abort();
    }
  }

  #takeBatch(): HubReport {
    const { hub, region } = this.#options;
    const reports: HubReport['reports'] = [];
    const machines = new Map<string, MachineState>();
    for (const [machine, { bySequence }] of this.#reports) {
      if (reports.length >= this.#batchLimit) break;
      // Control can place a report only when it knows the machine, so both go in the same batch.
      const state = this.#machines.get(machine);
      if (state && bySequence.size > 0) machines.set(machine, state);
      for (const report of bySequence.values()) {
        if (reports.length >= this.#batchLimit) break;
        reports.push({ ...report, machine });
      }
    }
    for (const [machine, state] of this.#machines) {
      if (machines.size >= maxItemsPerBatch) break;
      machines.set(machine, state);
    }
    const progress = [
      ...this.#progress
        .values()
        .filter((one) => this.#isDue(one))
        .take(this.#batchLimit),
    ];
    for (const machine of machines.keys()) this.#machines.delete(machine);
    for (const { machine, project } of progress) {
      this.#progress.delete(`${machine}\n${project}`);
      this.#toldAt.set(machine, this.#options.clock.now());
    }
    const swarms = [...this.#swarms.values()].slice(0, mostViews);
    for (const { deployment } of swarms) this.#swarms.delete(deployment);
    return { hub, region, machines: [...machines.values()], reports, progress, ...(swarms.length > 0 && { swarms }) };
  }

  #putBack(batch: HubReport): void {
    for (const state of batch.machines) {
      if (!this.#machines.has(state.machine)) this.#machines.set(state.machine, state);
    }
    for (const progress of batch.progress) {
      const key = `${progress.machine}\n${progress.project}`;
      if (!this.#progress.has(key)) this.#progress.set(key, progress);
    }
    for (const view of batch.swarms ?? [])
      if (!this.#swarms.has(view.deployment)) this.#swarms.set(view.deployment, view);
    // Should control refuse one report again and again, smaller batches in another order let the others through.
    this.#batchLimit = Math.max(1, Math.floor(Math.min(this.#batchLimit, batch.reports.length) / 2));
    for (const machine of new Set(batch.reports.map((report) => report.machine))) {
      const known = this.#reports.get(machine);
      if (!known) continue;
      this.#reports.delete(machine);
      this.#reports.set(machine, known);
    }
  }
}

/**
 * Of each project and deployment the last report, in order. Control makes nothing of those before it, and an
 * acknowledgement of the last one covers them; a wave of machines says eight things each within seconds.
 */
function newestOfEach(reports: readonly MachineReport[]): MachineReport[] {
  const newest = new Map<string, MachineReport>();
  for (const report of reports) {
    const key = `${report.project}\n${report.deployment}`;
    const other = newest.get(key);
    if (!other || other.sequence < report.sequence) newest.set(key, report);
  }
  return [...newest.values()].sort((a, b) => a.sequence - b.sequence);
}
