import { type MachineStep, machineSteps } from '@starling/shared/words.ts';
import type { EventType, MachineEvent } from './events.ts';
import { maxEarlier, type Situation, sameBuild } from './situation.ts';

// An update goes left to right through the columns. Up to STAGED the old program runs untouched, so a newer key
// just begins anew. From STOPPING on a newer key is only remembered (`keep`): the machine first commits or reverts,
// so that it is never left between two builds, and looks at the newest key when it is at rest again. PROBING ends sooner when
// that key goes back, or when the program is not well: `steps/probing.ts`.

type Entry = MachineStep | 'keep' | undefined;
const keep = 'keep';
const [idle, fetching, verifying, staged, stopping, swapping, starting, probing, committed, reverting, failed] =
  machineSteps;
const ____ = undefined;

// biome-ignore format: it is a table
const rows: Record<EventType, readonly Entry[]> = {
  //                IDLE      FETCHING   VERIFYING  STAGED     STOPPING   SWAPPING   STARTING   PROBING    COMMITTED  REVERTING  FAILED
  TARGET_NEW:     [ fetching, fetching,  fetching,  fetching,  keep,      keep,      keep,      keep,      fetching,  keep,      fetching ],
  TARGET_CURRENT: [ ____,     committed, committed, committed, keep,      keep,      keep,      keep,      committed, keep,      committed ],
  TARGET_KEPT:    [ ____,     keep,      keep,      staged,    keep,      keep,      keep,      keep,      keep,      keep,      failed ],
  TARGET_NONE:    [ ____,     idle,      idle,      idle,      keep,      keep,      keep,      keep,      ____,      keep,      idle ],
  RETIRE:         [ ____,     reverting, reverting, reverting, keep,      keep,      keep,      keep,      reverting, keep,      reverting ],
  SLOT_READY:     [ ____,     staged,    ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____ ],
  PACK_FETCHED:   [ ____,     verifying, ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____ ],
  PACK_LOST:      [ ____,     ____,      fetching,  ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____ ],
  UNPACKED:       [ ____,     ____,      staged,    ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____ ],
  CLEARED:        [ ____,     ____,      ____,      stopping,  ____,      ____,      ____,      ____,      ____,      ____,      ____ ],
  STOPPED:        [ ____,     ____,      ____,      ____,      swapping,  ____,      ____,      ____,      ____,      ____,      ____ ],
  SWAPPED:        [ ____,     ____,      ____,      ____,      ____,      starting,  ____,      ____,      ____,      ____,      ____ ],
  STARTED:        [ ____,     ____,      ____,      ____,      ____,      ____,      probing,   ____,      ____,      ____,      ____ ],
  HEALTHY:        [ ____,     ____,      ____,      ____,      ____,      ____,      ____,      committed, ____,      ____,      ____ ],
  CRASH_LOOP:     [ ____,     ____,      ____,      ____,      ____,      ____,      ____,      ____,      reverting, ____,      ____ ],
  STEP_FAILED:    [ ____,     failed,    failed,    failed,    reverting, reverting, reverting, reverting, ____,      ____,      ____ ],
  REVERTED:       [ ____,     ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____,      failed,    ____ ],
  RETIRED:        [ ____,     ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____,      idle,      ____ ],
  RETRY:          [ ____,     ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____,      ____,      fetching ],
};

/**
 * Where a restarted agent goes on. PROBING goes back a step: the program may have gone with the machine, and
 * STARTING adopts it when it has not.
 */
// biome-ignore format: it is a table
export const restartPoints: Record<MachineStep, MachineStep> = {
  IDLE: idle, FETCHING: fetching, VERIFYING: verifying, STAGED: staged, STOPPING: stopping, SWAPPING: swapping,
  STARTING: starting, PROBING: starting, COMMITTED: committed, REVERTING: reverting, FAILED: failed,
};

/** The entry of the table: the state to enter, `keep`, or undefined where the event must never happen. */
export function entryFor(state: MachineStep, event: EventType): Entry {
  return rows[event][machineSteps.indexOf(state)];
}

/** An event came that its state has no entry for: a defect of the agent, which must not go on guessing. */
export class MissingTransition extends Error {
  constructor(state: MachineStep, event: EventType) {
    super(`no transition for ${event} in ${state}`);
    this.name = 'MissingTransition';
  }
}

/**
 * The situation after an event. `entered` says whether a state's work begins (anew), rather than going on as it was.
 * Pure: no clock, no I/O. Throws MissingTransition.
 */
export function transition(now: Situation, event: MachineEvent): { next: Situation; entered: boolean } {
  const entry = entryFor(now.state, event.type);
  if (!entry) throw new MissingTransition(now.state, event.type);
  if (entry === 'keep') return { next: { ...now, ...remembered(event) }, entered: false };
  return { next: { ...now, ...remembered(event), ...changes(now, event, entry), state: entry }, entered: true };
}

/** Keys are remembered in every state. */
function remembered(event: MachineEvent): Partial<Situation> {
  if ('desired' in event) return { desired: event.desired };
  return event.type === 'RETIRE' || event.type === 'TARGET_NONE' ? { desired: null } : {};
}

function changes(now: Situation, event: MachineEvent, entered: MachineStep): Partial<Situation> {
  switch (event.type) {
    case 'TARGET_NEW':
      return { attempt: { ...event.desired.target, refetched: false }, problem: '' };
    case 'RETRY':
      return { attempt: now.desired && { ...now.desired.target, refetched: false }, problem: '' };
    case 'TARGET_CURRENT':
      return { current: event.desired.target, attempt: null, problem: '', failures: null };
    case 'TARGET_NONE':
      return { attempt: null, problem: '', failures: null };
    case 'RETIRE':
      return { attempt: null, problem: '', failures: null, retiring: true };
    case 'PACK_LOST':
      return { attempt: now.attempt && { ...now.attempt, refetched: true } };
    case 'HEALTHY':
      return committedChanges(now, event.at);
    case 'CRASH_LOOP':
      return takenBack(now, event.reason);
    case 'STEP_FAILED':
      return { problem: event.reason, ...(entered === 'FAILED' ? { failures: countFailure(now, event.at) } : {}) };
    case 'REVERTED': {
      const problem = [now.problem, event.remark].filter((text) => text !== '').join('\n');
      return { problem, failures: countFailure(now, event.at) };
    }
    case 'RETIRED':
      return { current: null, retiring: false, earlier: earlierWith(now, now.current) };
    default:
      return {};
  }
}

function committedChanges(now: Situation, at: number): Partial<Situation> {
  if (!now.attempt) return {};
  const { refetched: _, ...current } = now.attempt;
  const replaced = now.current && !sameBuild(now.current, current) ? now.current : null;
  const earlier = earlierWith(now, replaced).filter((target) => !sameBuild(target, current));
  // A build that was healthy before and then kept exiting is tried again less and less often.
  const failures = now.failures?.build === current.build ? now.failures : null;
  return { current, committedAt: at, attempt: null, earlier, problem: '', failures };
}

/** What was committed becomes an attempt that failed, and the build before it is the one to go back to. */
function takenBack(now: Situation, reason: string): Partial<Situation> {
  const [before = null, ...earlier] = now.earlier;
  if (!now.current) return {};
  return {
    attempt: { ...now.current, refetched: false },
    current: before,
    committedAt: null,
    earlier,
    problem: reason,
  };
}

function earlierWith(now: Situation, latest: Situation['current']): Situation['earlier'] {
  if (!latest) return now.earlier;
  return [latest, ...now.earlier.filter((target) => !sameBuild(target, latest))].slice(0, maxEarlier);
}

const firstRetryMs = 30_000;
const maxRetryMs = 600_000;

function countFailure(now: Situation, at: number): Situation['failures'] {
  if (!now.attempt) return null;
  const { build, deployment } = now.attempt;
  const same = now.failures?.build === build && now.failures.deployment === deployment;
  const count = (same ? (now.failures?.count ?? 0) : 0) + 1;
  return { build, deployment, count, retryAt: at + Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(count - 1, 20)) };
}
