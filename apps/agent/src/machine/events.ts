import { type Desired, type Situation, sameBuild, sameTarget } from './situation.ts';

/** Everything that can happen to a project on a machine: keys arrive, and steps end. */
export type MachineEvent =
  /** The key names a target that takes work. */
  | { type: 'TARGET_NEW'; desired: Desired }
  /** The key names the build that is committed here already. */
  | { type: 'TARGET_CURRENT'; desired: Desired }
  /** The target is the same, but it became the stable one, is held or let go, or is it no longer. */
  | { type: 'TARGET_KEPT'; desired: Desired }
  /** The key names nothing for this machine, and nothing is committed here. */
  | { type: 'TARGET_NONE' }
  /** The key names nothing for this machine any more: what is committed must go. */
  | { type: 'RETIRE' }
  | { type: 'SLOT_READY' }
  | { type: 'PACK_FETCHED' }
  /** The pack is not there, or was thrown away because its digest was wrong: it is fetched once more. */
  | { type: 'PACK_LOST' }
  | { type: 'UNPACKED' }
  | { type: 'CLEARED' }
  | { type: 'STOPPED' }
  | { type: 'SWAPPED' }
  | { type: 'STARTED' }
  | { type: 'HEALTHY'; at: number }
  /** What was found healthy, and committed, a short while ago keeps exiting. */
  | { type: 'CRASH_LOOP'; reason: string }
  | { type: 'STEP_FAILED'; reason: string; at: number }
  /** Back on the earlier build; the remark says what was not as it should be there, or is empty. */
  | { type: 'REVERTED'; remark: string; at: number }
  | { type: 'RETIRED' }
  | { type: 'RETRY' };
export type EventType = MachineEvent['type'];

/** How long after its commit a build that keeps exiting is taken back: later it is not the build that changed. */
const probationMs = 10 * 60_000;

/**
 * The event of a committed program that keeps exiting; undefined when going back would not help: there is no earlier
 * build, or this one ran well for so long that something else must have changed.
 */
export function crashLoopEvent(now: Situation, reason: string, at: number): MachineEvent | undefined {
  const { state, earlier, committedAt } = now;
  if (state !== 'COMMITTED' || earlier.length === 0 || committedAt === null) return undefined;
  return at - committedAt <= probationMs ? { type: 'CRASH_LOOP', reason } : undefined;
}

/**
 * What a key means in a situation, or undefined when it changes nothing. `troubled`: the committed program keeps
 * exiting, so a new deployment of the same build is an update like any other rather than done already.
 */
export function targetEvent(now: Situation, desired: Desired | null, troubled: boolean): MachineEvent | undefined {
  if (!desired) {
    if (now.current) return { type: 'RETIRE' };
    return now.state === 'IDLE' ? undefined : { type: 'TARGET_NONE' };
  }
  const wanted = desired.target;
  const worksOn = now.state === 'COMMITTED' ? now.current : now.state === 'IDLE' ? null : now.attempt;
  if (worksOn && sameTarget(worksOn, wanted)) {
    const before = now.desired;
    const known =
      before &&
      sameTarget(before.target, wanted) &&
      before.stable === desired.stable &&
      before.held === desired.held &&
      JSON.stringify(before.windows) === JSON.stringify(desired.windows);
    return known ? undefined : { type: 'TARGET_KEPT', desired };
  }
  const isThere = now.current && sameBuild(now.current, wanted) && !troubled;
  return { type: isThere ? 'TARGET_CURRENT' : 'TARGET_NEW', desired };
}
