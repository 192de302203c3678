import { messageOf } from '@starling/shared/errors.ts';
import type { MachineStep } from '@starling/shared/words.ts';
import { Aborted } from '../lib/abort.ts';
import type { ReportContent } from '../report/outbox.ts';
import { fetching } from '../steps/fetching.ts';
import { installing } from '../steps/installing.ts';
import { probing } from '../steps/probing.ts';
import { committed, failed, idle } from '../steps/resting.ts';
import { reverting } from '../steps/reverting.ts';
import { staged } from '../steps/staged.ts';
import { starting } from '../steps/starting.ts';
import type { Step, StepContext } from '../steps/step.ts';
import { stopping } from '../steps/stopping.ts';
import { swapping } from '../steps/swapping.ts';
import type { Supervisor } from '../supervise/supervisor.ts';
import { crashLoopEvent, type MachineEvent, targetEvent } from './events.ts';
import type { Journal } from './journal.ts';
import { type Desired, isAtRest, reportOf, restsOnCurrent, type Situation } from './situation.ts';
import { restartPoints, transition } from './table.ts';

const steps: Record<MachineStep, Step> = {
  IDLE: idle,
  FETCHING: fetching,
  VERIFYING: installing,
  STAGED: staged,
  STOPPING: stopping,
  SWAPPING: swapping,
  STARTING: starting,
  PROBING: probing,
  COMMITTED: committed,
  REVERTING: reverting,
  FAILED: failed,
};

export interface ProjectMachineOptions {
  context: StepContext;
  journal: Journal;
  supervisor: Supervisor;
  report: (content: ReportContent) => void;
  /** The table has no entry for what happened, or the like: the agent must not go on. */
  onDefect: (error: unknown) => void;
}

const journalPauseMs = 1_000;

/**
 * Drives one project on this machine. Events come one at a time, from keys and from the step that runs; each changes
 * the situation through the table, the journal is written, and only then the next step begins. A step that is left
 * early is aborted and waited for, so two never run at once and a late result of one is never seen.
 */
export class ProjectMachine {
  readonly #options: ProjectMachineOptions;
  readonly #stopping = new AbortController();
  #situation: Situation;
  #step: { abort: AbortController; done: Promise<void> } | undefined;
  #ended: MachineEvent | undefined;
  #wanted: { desired: Desired | null } | undefined;
  #crashLoop: string | undefined;
  #remembered = new AbortController();
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(situation: Situation, options: ProjectMachineOptions) {
    this.#situation = situation;
    this.#options = options;
  }

  get situation(): Situation {
    return this.#situation;
  }

  /** What the newest key told, and when that changes. */
  get newest(): { desired: Desired | null; changed: AbortSignal } {
    return { desired: this.#situation.desired, changed: this.#remembered.signal };
  }

  start(): void {
    this.#running ??= this.#run().catch((thrown) => {
      if (!this.#stopping.signal.aborted) this.#options.onDefect(thrown);
    });
  }

  /** What the newest key tells this machine; of several that come together only the last counts. */
  follow(desired: Desired | null): void {
    this.#wanted = { desired };
    this.#wake();
  }

  /** The program that is kept running keeps exiting, and why. */
  crashLoops(reason: string): void {
    this.#crashLoop = reason;
    this.#wake();
  }

  /** Reports the situation as it is, with something to say of it. */
  note(detail: string): void {
    this.#options.report(reportOf(this.#situation, detail));
  }

  /** Ends the work where it is; the journal says where to go on. The program is left as it is. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    // What is being entered is entered no further; only then is it sure that nothing is started behind our back.
    await this.#running;
    await this.#leaveStep();
    await this.#options.supervisor.release();
  }

  async #run(): Promise<void> {
    const state = restartPoints[this.#situation.state];
    if (state !== this.#situation.state) await this.#enter({ ...this.#situation, state });
    await this.#superviseIfResting();
    this.#beginStep();
    while (!this.#stopping.signal.aborted) {
      const event = this.#takeEvent();
      if (event) await this.#apply(event);
      else if (!this.#ended && !this.#wanted && !this.#crashLoop)
        await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #takeEvent(): MachineEvent | undefined {
    const ended = this.#ended;
    this.#ended = undefined;
    if (ended) return ended;
    const crashLoop = this.#crashLoop;
    this.#crashLoop = undefined;
    const revert = crashLoop && crashLoopEvent(this.#situation, crashLoop, this.#options.context.clock.now());
    if (revert) return revert;
    const wanted = this.#wanted;
    this.#wanted = undefined;
    return wanted && targetEvent(this.#situation, wanted.desired, this.#options.supervisor.isTroubled);
  }

  async #apply(event: MachineEvent): Promise<void> {
    const before = this.#situation;
    const { next, entered } = transition(before, event);
    if (!entered) {
      if (JSON.stringify(next) === JSON.stringify(before)) return;
      await this.#enter(next);
      this.#remembered.abort();
      this.#remembered = new AbortController();
      return;
    }
    await this.#leaveStep();
    if (!restsOnCurrent.has(next.state)) await this.#options.supervisor.release();
    await this.#enter(next);
    if (this.#stopping.signal.aborted) return;
    this.#options.context.log.info(
      { event: event.type, from: before.state, to: next.state, build: (next.attempt ?? next.current)?.build },
      next.problem || 'step',
    );
    if (event.type !== 'TARGET_KEPT') this.note(detailOf(event, next));
    await this.#superviseIfResting();
    this.#beginStep();
    // A key that came in the middle was only remembered.
    if (isAtRest(next.state)) this.#wanted ??= { desired: next.desired };
  }

  /** Writes the journal; a full disk is waited for, because nothing may be done that the journal does not know. */
  async #enter(next: Situation): Promise<void> {
    const { clock, log } = this.#options.context;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#options.journal.write(next);
        this.#situation = next;
        return;
      } catch (thrown) {
        log.error({ err: thrown }, `the journal cannot be written: ${messageOf(thrown)}`);
        await clock.sleep(journalPauseMs, this.#stopping.signal);
      }
    }
  }

  async #superviseIfResting(): Promise<void> {
    const { state, current } = this.#situation;
    if (current && restsOnCurrent.has(state)) await this.#options.supervisor.watch(current);
  }

  #beginStep(): void {
    if (this.#stopping.signal.aborted) return;
    const { clock, log } = this.#options.context;
    const abort = new AbortController();
    const { state } = this.#situation;
    const work = steps[state](this.#options.context, this.#situation, abort.signal);
    const done = work
      .catch((thrown): MachineEvent | undefined => {
        if (abort.signal.aborted || thrown instanceof Aborted) return undefined;
        log.warn({ err: thrown, state }, `the step failed: ${messageOf(thrown)}`);
        return { type: 'STEP_FAILED', reason: messageOf(thrown), at: clock.now() };
      })
      .then((event) => {
        if (!event || abort.signal.aborted) return;
        this.#ended = event;
        this.#wake();
      });
    this.#step = { abort, done };
  }

  async #leaveStep(): Promise<void> {
    const step = this.#step;
    this.#step = undefined;
    step?.abort.abort();
    await step?.done;
    this.#ended = undefined;
  }
}

function detailOf(event: MachineEvent, next: Situation): string {
  if (event.type === 'PACK_LOST') return 'the pack was not what the manifest names; it is fetched again';
  if (event.type === 'RETIRE') return 'nothing is deployed to this machine any more';
  return next.problem;
}
