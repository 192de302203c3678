import { type CheckVerdict, checkVerdicts } from '@starling/shared/rollout-checks.ts';
import { checksOf, planRollout, type Reach, reachOf, rolloutSettings } from '@starling/shared/rollout-plan.ts';
import {
  isHeld as isToldToWait,
  sameStatement,
  targetFor,
  type UnsignedVersionKey,
} from '@starling/shared/version-key.ts';
import { type DeploymentStatus, deploymentStatuses } from '@starling/shared/words.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pause, promote, resume, type Steered } from '../steering/commands.ts';
import { type DeploymentFact, statementFor } from './desired-key.ts';
import { nextStep } from './next-step.ts';

// A deployment under everything that may happen to it, in any order. The row and the keys are all there is between two steps,
// as it is for a controller that is killed and started again, so every step here is also a restart. A controller that is
// killed within a pass has written the row and no key, or the key of one region only; machines follow what was written.

const machines = ['m1', 'm2', 'm3', 'm4', 'm5', 'm6'];
const regions = ['eu', 'us'];
const regionOf = (machine: string) => regions[machines.indexOf(machine) % 2]!;
const minute = 60_000;

type Row = Steered & {
  reach: Reach;
  bakeBeganAtMs: number | null;
  checksBeganAtMs: number | null;
  beganAtMs: number;
  resumedAtMs: number;
  toleratedFailures: number;
  stopped: boolean;
};
type Event =
  | { event: 'pause' | 'resume' | 'promote' | 'abort' | 'rollback' | 'stop' | 'start' | 'all-well' | 'rollback-fails' }
  | { event: 'report'; which: number; well: boolean }
  | { event: 'measured'; verdict: CheckVerdict }
  /** The controller passes, and is killed after so many writes: the row, then the key of each region. */
  | { event: 'pass'; writes: number }
  | { event: 'wait'; minutes: number };

const wholePass = 1 + regions.length;
const plans = fc
  .record({
    autoRevert: fc.boolean(),
    order: fc.constantFrom('all-at-once' as const, 'region-by-region' as const),
    waves: fc.array(fc.record({ fraction: fc.constantFrom(0.1, 0.3, 0.6), bakeTime: fc.constantFrom('0s', '5m') }), {
      maxLength: 3,
    }),
    analysis: fc.array(fc.constantFrom('before' as const, 'bake' as const), { maxLength: 2 }),
  })
  .map(({ analysis, ...written }) => {
    const checks = [...new Set(analysis)].map((when) => ({ name: when, command: 'true', when: [when] }));
    return planRollout([rolloutSettings.parse({ ...written, analysis: checks })], regions);
  });
const simply = (...names: Exclude<Event['event'], 'report' | 'wait' | 'measured' | 'pass'>[]) =>
  fc.constantFrom(...names).map((event): Event => ({ event }));
const events: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .constantFrom(wholePass, wholePass, wholePass, 0, 1, 2)
      .map((writes): Event => ({ event: 'pass', writes })),
  },
  { weight: 6, arbitrary: simply('pause', 'resume', 'resume', 'promote', 'stop', 'start', 'start') },
  { weight: 6, arbitrary: simply('all-well') },
  { weight: 1, arbitrary: simply('abort') },
  { weight: 1, arbitrary: simply('rollback', 'rollback-fails') },
  {
    weight: 6,
    arbitrary: fc.record({ event: fc.constant('report' as const), which: fc.nat(9), well: fc.boolean() }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      event: fc.constant('measured' as const),
      verdict: fc.constantFrom('SUCCESSFUL' as const, 'SUCCESSFUL' as const, 'SUCCESSFUL' as const, ...checkVerdicts),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ event: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 12 }) }),
  },
);

it('a deployment never reaches an undefined state, passes a halt, or leaves a machine without a version', () => {
  let [halts, ends] = [0, 0];
  fc.assert(
    // Without a size only short arrays are made, in which hardly anything comes to its end.
    fc.property(plans, fc.array(events, { maxLength: 60, size: 'max' }), (plan, happening) => {
      let nowMs = 1_000 * minute;
      const many = plan.waves.length > 1 || checksOf(plan, 'before').length > 0;
      // Of the stage it is in; what is measured belongs to one stage, and counts anew after a pause.
      let verdict: CheckVerdict | null = null;
      const stage = () => {
        if (row.checksBeganAtMs !== null) return 'before';
        return row.bakeBeganAtMs !== null ? 'bake' : null;
      };
      const row: Row = {
        kind: 'DEPLOY',
        status: 'RUNNING',
        plan,
        wave: many ? 0 : 1,
        reach: many ? {} : null,
        pausedAt: null,
        pausedBy: null,
        pauseReason: null,
        promotedTo: 0,
        toleratedFailures: 0,
        bakeBeganAtMs: null,
        checksBeganAtMs: null,
        beganAtMs: nowMs,
        resumedAtMs: 0,
        stopped: false,
      };
      const said = new Map<string, { well: boolean; atMs: number }>();
      let rollback: DeploymentStatus | undefined;
      const facts = (): DeploymentFact[] => {
        const of = { manifestDigest: 'd'.repeat(64), salt: 's', reach: null, held: isHeld(), passesWindows: false };
        const good: DeploymentFact = { ...of, id: 1, kind: 'DEPLOY', status: 'SUCCEEDED', build: 'shop@000000000001' };
        const { kind, status, reach } = row;
        const own: DeploymentFact = { ...of, id: 2, kind, status, reach, build: 'shop@000000000002' };
        const back: DeploymentFact[] = rollback ? [{ ...good, id: 3, kind: 'ROLLBACK', status: rollback }] : [];
        return [...back, own, good];
      };
      const isHeld = () => row.pausedAt !== null || row.stopped;
      const wanted = (region: string): UnsignedVersionKey => {
        const sequence = (keys.get(region)?.sequence ?? 0) + 1;
        const key = { format: 1 as const, project: 'shop', region, sequence, issuedAt: 0, expiresAt: 1 };
        return { ...key, ...statementFor(facts(), region, []) };
      };
      const keys = new Map<string, UnsignedVersionKey>();
      for (const region of regions) keys.set(region, wanted(region));
      const writeKey = (region: string) => {
        const [current, next] = [keys.get(region)!, wanted(region)];
        if (!sameStatement(current, next)) keys.set(region, next);
      };
      /** Whom the keys that were written send to the new build. */
      const reached = () =>
        machines.filter((machine) => {
          const target = targetFor(keys.get(regionOf(machine))!, machine);
          expect(target, 'every machine has a version').not.toBeNull();
          return target!.deployment === 2;
        });
      const mayGoOver = (machine: string) => {
        const key = keys.get(regionOf(machine))!;
        return !isToldToWait(key, targetFor(key, machine)!);
      };
      const steered = (intent: ReturnType<typeof pause>) => {
        expect(intent.answer).not.toBe('');
        if (intent.change?.resumedAt) {
          row.resumedAtMs = nowMs;
          verdict = null;
        }
        Object.assign(row, intent.change ?? {});
      };

      for (const happens of happening) {
        const [waveBefore, before] = [row.wave, reached()];
        const wasHeld = isHeld();
        switch (happens.event) {
          case 'wait':
            nowMs += happens.minutes * minute;
            break;
          case 'report': {
            // Only machines that are told to say anything of it.
            const machine = before[happens.which % Math.max(1, before.length)];
            if (machine) said.set(machine, { well: happens.well, atMs: nowMs });
            break;
          }
          case 'measured': {
            const at = stage();
            if (at && !wasHeld && checksOf(plan, at).length > 0) verdict ??= happens.verdict;
            break;
          }
          case 'all-well':
            for (const machine of before) said.set(machine, { well: true, atMs: nowMs });
            break;
          case 'pause':
            steered(pause(row, 'ada', '', new Date(nowMs)));
            break;
          case 'resume':
            steered(resume(row, [...said.values()].filter(({ well }) => !well).length, new Date(nowMs)));
            break;
          case 'promote':
            steered(promote(row, undefined));
            break;
          case 'stop':
          case 'start':
            if (row.stopped && happens.event === 'start') row.resumedAtMs = nowMs;
            row.stopped = happens.event === 'stop';
            break;
          case 'abort':
            if (row.status === 'RUNNING') row.status = 'ABORTED';
            break;
          case 'rollback':
            if (row.status === 'RUNNING') row.status = 'SUPERSEDED';
            rollback = 'RUNNING';
            break;
          case 'rollback-fails':
            if (rollback) rollback = 'FAILED';
            break;
          case 'pass':
            if (happens.writes > 0) pass();
            for (const region of regions.slice(0, Math.max(0, happens.writes - 1))) writeKey(region);
        }
        expect(deploymentStatuses).toContain(row.status);
        expect(row.wave).toBeGreaterThanOrEqual(waveBefore);
        expect(row.wave - waveBefore, 'one wave at a time').toBeLessThanOrEqual(1);
        if (row.status === 'RUNNING') {
          expect(reached(), 'nobody is taken out of a wave').toEqual(expect.arrayContaining(before));
          if (isHeld() && happens.event === 'pass' && happens.writes === wholePass) {
            for (const machine of reached()) expect(mayGoOver(machine), 'who is held is told so').toBe(false);
          }
          if (wasHeld) {
            expect(row.wave, 'what is held stays').toBe(waveBefore);
            // The key of a wave that began before the halt may come after it: then it says to wait.
            for (const machine of reached()) {
              if (!before.includes(machine))
                expect(mayGoOver(machine), 'nobody goes over while it is held').toBe(false);
            }
          }
        } else if ((row.status !== 'SUCCEEDED' || rollback) && happens.event === 'pass' && happens.writes === wholePass)
          expect(reached(), 'it is over').toEqual([]);
      }
      // Whatever was cut off before: one whole pass, and the keys say what the rows want.
      pass();
      for (const region of regions) writeKey(region);
      for (const region of regions) expect(sameStatement(keys.get(region)!, wanted(region))).toBe(true);
      if (row.status !== 'RUNNING' && (row.status !== 'SUCCEEDED' || rollback)) expect(reached()).toEqual([]);
      if (rollback) {
        const stable = [...keys.values()].map((key) => key.stable?.deployment);
        expect(stable, 'a rollback holds, however it ends').toEqual(regions.map(() => 3));
      }

      function pass(): void {
        if (row.status !== 'RUNNING') return;
        const inWave = reached();
        const [wells, bads] = [true, false].map(
          (well) => inWave.filter((machine) => said.get(machine)?.well === well).length,
        );
        const counts = {
          done: wells!,
          failed: bads!,
          inProgress: inWave.length - wells! - bads!,
          offline: 0,
          waiting: 0,
        };
        const heldBecause = row.pausedAt ? 'paused' : row.stopped ? 'the line is stopped' : null;
        const situation = {
          counts,
          nowMs,
          watchedSinceMs: Math.max(row.beganAtMs, row.resumedAtMs),
          lastProgressAtMs: Math.max(row.beganAtMs, ...[...said.values()].map(({ atMs }) => atMs)),
          commonReason: '',
        };
        const at = stage();
        const state = at && checksOf(plan, at).length > 0 ? (verdict ?? 'running') : 'none';
        const tasks = { state: 'none', detail: '' } as const;
        const next = nextStep(plan, 0, { ...row, heldBecause }, situation, tasks, { state, detail: 'measured' });
        if (next.step === 'bake') row.bakeBeganAtMs = nowMs;
        if (next.step === 'check') {
          expect(row.checksBeganAtMs, 'checked once before each wave').toBeNull();
          row.checksBeganAtMs = nowMs;
          verdict = null;
        }
        if (next.step === 'halt') {
          halts += 1;
          expect(plan.autoRevert && state !== 'INCONCLUSIVE' && state !== 'ERROR').toBe(false);
          Object.assign(row, { pausedAt: new Date(nowMs), pausedBy: 'starling', pauseReason: next.why });
        }
        if (next.step === 'end') {
          ends += 1;
          row.status = next.status;
          if (next.status === 'SUCCEEDED') expect(['none', 'SUCCESSFUL']).toContain(state);
          if (next.status === 'SUCCEEDED') expect(row.wave, 'after its last wave').toBe(plan.waves.length);
        }
        if (next.step === 'advance') {
          const failing = bads! - row.toleratedFailures;
          if (row.wave > 0 && counts.inProgress === 0)
            expect(failing, 'no wave after a failed one').toBeLessThanOrEqual(0);
          if (row.promotedTo < next.to) {
            expect(['none', 'SUCCESSFUL'], 'no wave that the checks do not want').toContain(state);
            if (checksOf(plan, 'before').length > 0) expect(at).toBe('before');
          }
          row.wave = next.to;
          row.reach = reachOf(plan, next.to, regions, (_, share) => share);
          row.bakeBeganAtMs = null;
          row.checksBeganAtMs = null;
          verdict = null;
          row.beganAtMs = nowMs;
        }
      }
    }),
    { numRuns: 400 },
  );
  // The sequences were not so tame that nothing happened.
  expect(halts).toBeGreaterThan(0);
  expect(ends).toBeGreaterThan(0);
});
