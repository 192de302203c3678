import type { Target } from '@starling/shared/version-key.ts';
import { machineSteps } from '@starling/shared/words.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crashLoopEvent, type EventType, type MachineEvent, targetEvent } from './events.ts';
import { type Desired, initialSituation, isAtRest, reportOf, type Situation, situation } from './situation.ts';
import { entryFor, MissingTransition, restartPoints, transition } from './table.ts';

const target = (n: number, deployment = n): Target => ({
  build: `hello@${String(n).padStart(12, '0')}`,
  manifestDigest: String(n).padStart(64, '0'),
  deployment,
});
const desired = (n: number, stable = false, deployment = n): Desired => ({
  target: target(n, deployment),
  stable,
  held: false,
  windows: [],
});

const sampleEvents: Record<EventType, MachineEvent> = {
  TARGET_NEW: { type: 'TARGET_NEW', desired: desired(2) },
  TARGET_CURRENT: { type: 'TARGET_CURRENT', desired: desired(1) },
  TARGET_KEPT: { type: 'TARGET_KEPT', desired: desired(2, true) },
  TARGET_NONE: { type: 'TARGET_NONE' },
  RETIRE: { type: 'RETIRE' },
  SLOT_READY: { type: 'SLOT_READY' },
  PACK_FETCHED: { type: 'PACK_FETCHED' },
  PACK_LOST: { type: 'PACK_LOST' },
  UNPACKED: { type: 'UNPACKED' },
  CLEARED: { type: 'CLEARED' },
  STOPPED: { type: 'STOPPED' },
  SWAPPED: { type: 'SWAPPED' },
  STARTED: { type: 'STARTED' },
  HEALTHY: { type: 'HEALTHY', at: 1_000 },
  CRASH_LOOP: { type: 'CRASH_LOOP', reason: 'it keeps exiting' },
  STEP_FAILED: { type: 'STEP_FAILED', reason: 'because', at: 1_000 },
  REVERTED: { type: 'REVERTED', remark: '', at: 1_000 },
  RETIRED: { type: 'RETIRED' },
  RETRY: { type: 'RETRY' },
};
const events = Object.values(sampleEvents);

/** What the step of each state can end with. */
const endings: Record<Situation['state'], EventType[]> = {
  IDLE: [],
  FETCHING: ['SLOT_READY', 'PACK_FETCHED', 'STEP_FAILED'],
  VERIFYING: ['UNPACKED', 'PACK_LOST', 'STEP_FAILED'],
  STAGED: ['CLEARED', 'STEP_FAILED'],
  STOPPING: ['STOPPED', 'STEP_FAILED'],
  SWAPPING: ['SWAPPED', 'STEP_FAILED'],
  STARTING: ['STARTED', 'STEP_FAILED'],
  PROBING: ['HEALTHY', 'STEP_FAILED'],
  COMMITTED: ['CRASH_LOOP'],
  REVERTING: ['REVERTED', 'RETIRED'],
  FAILED: ['RETRY'],
};

describe('the transition table', () => {
  it('answers every event in every state with an entry or with the documented crash', () => {
    for (const state of machineSteps) {
      for (const event of events) {
        const now: Situation = { ...initialSituation('hello'), state, attempt: { ...target(2), refetched: false } };
        const entry = entryFor(state, event.type);
        if (!entry) expect(() => transition(now, event)).toThrow(MissingTransition);
        else expect(transition(now, event).next.state).toBe(entry === 'keep' ? state : entry);
      }
    }
  });

  it('has an entry for everything that a step can end with', () => {
    for (const state of machineSteps) for (const type of endings[state]) expect(entryFor(state, type)).toBeDefined();
  });

  it('can be restarted in every state without losing work that touched the machine', () => {
    for (const state of machineSteps) expect(machineSteps).toContain(restartPoints[state]);
    expect(restartPoints.PROBING).toBe('STARTING');
    expect(restartPoints.REVERTING).toBe('REVERTING');
  });

  it('is never left by any sequence of keys, step results, failures and restarts, and stays consistent', () => {
    const move = fc.oneof(
      fc.record({
        kind: fc.constant('key' as const),
        build: fc.option(fc.integer({ min: 1, max: 4 })),
        deployment: fc.integer({ min: 1, max: 3 }),
        stable: fc.boolean(),
        held: fc.boolean(),
        troubled: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('step' as const), choice: fc.nat() }),
      fc.record({ kind: fc.constant('restart' as const) }),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
        let now = initialSituation('hello');
        const apply = (event: MachineEvent | undefined) => {
          if (event) now = transition(now, event).next;
        };
        for (const step of moves) {
          if (step.kind === 'restart') now = { ...now, state: restartPoints[now.state] };
          if (step.kind === 'key') {
            const wanted =
              step.build === null ? null : { ...desired(step.build, step.stable, step.deployment), held: step.held };
            apply(targetEvent(now, wanted, step.troubled));
          }
          if (step.kind === 'step') {
            const possible = endings[now.state].filter((type) => {
              if (type === 'REVERTED') return !now.retiring;
              if (type === 'RETIRED') return now.retiring;
              if (type === 'RETRY') return now.desired?.stable === true;
              if (type === 'CRASH_LOOP') return crashLoopEvent(now, 'it keeps exiting', 2_000) !== undefined;
              return true;
            });
            const type = possible[step.choice % Math.max(1, possible.length)];
            if (type) apply(sampleEvents[type]);
            if (type && isAtRest(now.state)) apply(targetEvent(now, now.desired, false));
          }
          const working = !['IDLE', 'COMMITTED', 'REVERTING'].includes(now.state);
          expect(situation.safeParse(now).success).toBe(true);
          if (working) expect(now.attempt).not.toBeNull();
          if (now.state === 'COMMITTED') expect(now.current).not.toBeNull();
          if (now.state === 'IDLE') expect(now.current).toBeNull();
          if (now.retiring) expect(now.state).toBe('REVERTING');
          expect(now.earlier.some(({ build }) => build === now.current?.build)).toBe(false);
          expect(reportOf(now, '').step).toBe(now.state);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('an update', () => {
  const committed: Situation = {
    ...initialSituation('hello'),
    state: 'COMMITTED',
    current: target(1),
    desired: desired(1, true),
  };
  const after = (start: Situation, ...types: EventType[]) =>
    types.reduce((now, type) => transition(now, sampleEvents[type]).next, start);

  it('is taken back when the program keeps exiting soon after, and only then', () => {
    const now: Situation = {
      ...committed,
      current: target(2),
      desired: desired(2, true),
      earlier: [target(1)],
      committedAt: 1_000,
    };
    const event = crashLoopEvent(now, 'it keeps exiting', 60_000);
    const { next } = transition(now, event as MachineEvent);
    expect(next).toMatchObject({ state: 'REVERTING', current: target(1), attempt: target(2), earlier: [] });
    const back = after(next, 'REVERTED');
    expect(back).toMatchObject({ state: 'FAILED', current: target(1), problem: 'it keeps exiting' });
    const again = after(back, 'RETRY', 'SLOT_READY', 'CLEARED', 'STOPPED', 'SWAPPED', 'STARTED', 'HEALTHY');
    expect(again).toMatchObject({ state: 'COMMITTED', current: target(2), earlier: [target(1)] });
    expect(after(again, 'CRASH_LOOP', 'REVERTED').failures, 'the pause grows').toMatchObject({ count: 2 });
    expect(crashLoopEvent(now, 'it keeps exiting', 1_000 + 3_600_000), 'an hour later').toBeUndefined();
    expect(crashLoopEvent({ ...now, earlier: [] }, 'it keeps exiting', 2_000), 'nothing to go back to').toBeUndefined();
    expect(crashLoopEvent({ ...now, state: 'FETCHING' }, 'it keeps exiting', 2_000)).toBeUndefined();
  });

  it('remembers a newer key after STOPPING and takes it up when it is at rest', () => {
    const probing = after(committed, 'TARGET_NEW', 'SLOT_READY', 'CLEARED', 'STOPPED', 'SWAPPED', 'STARTED');
    const event = targetEvent(probing, desired(3), false);
    const { next, entered } = transition(probing, event as MachineEvent);
    expect([next.state, entered]).toEqual(['PROBING', false]);
    const done = after(next, 'HEALTHY');
    expect(done.current).toEqual(target(2));
    expect(done.earlier).toEqual([target(1)]);
    expect(targetEvent(done, done.desired, false)).toMatchObject({ type: 'TARGET_NEW', desired: desired(3) });
  });

  it('is not tried again after a failure until the target changes', () => {
    const failed = after(committed, 'TARGET_NEW', 'STEP_FAILED');
    expect(failed).toMatchObject({ state: 'FAILED', problem: 'because', current: target(1) });
    expect(targetEvent(failed, desired(2), false)).toBeUndefined();
    expect(targetEvent(failed, desired(2, true), false)?.type).toBe('TARGET_KEPT');
    expect(targetEvent(failed, desired(2, false, 7), false)?.type).toBe('TARGET_NEW');
    expect(targetEvent(failed, desired(1, true), false)?.type).toBe('TARGET_CURRENT');
  });

  it('is tried again after pauses that double from 30 s to 10 min', () => {
    let now = after(committed, 'TARGET_NEW');
    const pauses: number[] = [];
    for (let tries = 0; tries < 7; tries += 1) {
      now = after(now, 'STEP_FAILED');
      pauses.push(((now.failures?.retryAt ?? 0) - 1_000) / 1_000);
      now = after(now, 'RETRY');
    }
    expect(pauses).toEqual([30, 60, 120, 240, 480, 600, 600]);
  });

  it('is done at once when the build is there, unless its program keeps exiting', () => {
    const again = desired(1, true, 5);
    expect(targetEvent(committed, again, false)?.type).toBe('TARGET_CURRENT');
    expect(targetEvent(committed, again, true)?.type).toBe('TARGET_NEW');
  });
});
