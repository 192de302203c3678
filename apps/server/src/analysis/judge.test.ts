import { type CheckVerdict, rolloutCheck } from '@starling/shared/rollout-checks.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDue, judgeCheck, judgeStage, type Measured } from './judge.ts';

const check = (more: object = {}) =>
  rolloutCheck.parse({ name: 'errors', prometheus: 'up', condition: '< 1', interval: '1m', ...more });
const short: Record<string, CheckVerdict | null> = {
  s: 'SUCCESSFUL',
  f: 'FAILED',
  i: 'INCONCLUSIVE',
  e: 'ERROR',
  '.': null,
};
const minute = 60_000;
const measured = (text: string): Measured[] =>
  [...text].map((letter, at) => ({ beganAtMs: at * minute, verdict: short[letter]!, detail: `${letter}${at}` }));

describe('a check', () => {
  it.each([
    ['', {}, null, ''],
    ['.', {}, null, ''],
    ['s', {}, 'SUCCESSFUL', 's0'],
    ['ss', { count: 3 }, null, 's1'],
    ['sss', { count: 3 }, 'SUCCESSFUL', 's2'],
    ['f', {}, 'FAILED', 'f0'],
    ['sf', { count: 5 }, 'FAILED', 'f1'],
    ['sfs', { count: 3, failureLimit: 1 }, 'SUCCESSFUL', 's2'],
    ['sff', { count: 5, failureLimit: 1 }, 'FAILED', 'f2'],
    ['i', { count: 5 }, 'INCONCLUSIVE', 'i0'],
    ['isi', { count: 5, inconclusiveLimit: 1 }, 'INCONCLUSIVE', 'i2'],
    ['is', { count: 2, inconclusiveLimit: 1 }, 'SUCCESSFUL', 's1'],
    // What could not be measured does not count, and only matters in a row.
    ['e', {}, null, 'e0'],
    ['eees', { count: 1 }, 'SUCCESSFUL', 's3'],
    ['eeee', {}, null, 'e3'],
    ['eeeee', {}, 'ERROR', 'could not be measured 5 times: e4'],
    ['eeseee', { count: 3, errorLimit: 2 }, 'ERROR', 'could not be measured 3 times: e5'],
    ['eeseesee', { count: 4, errorLimit: 2 }, null, 'e7'],
    ['e', { errorLimit: 0 }, 'ERROR', 'could not be measured 1 times: e0'],
    // What failed has failed, whatever came after.
    ['feeeee', {}, 'FAILED', 'f0'],
  ])('measured as %s with %j is %s', (text, more, verdict, detail) => {
    expect(judgeCheck(check(more), measured(text))).toMatchObject({ verdict, detail });
  });

  it.each([
    ['', {}, 0, true],
    ['.', {}, 99, false],
    ['s', { count: 2 }, 0.9, false],
    ['s', { count: 2 }, 1, true],
    ['s', {}, 99, false],
    ['e', {}, 1, true],
    ['f', { count: 9 }, 99, false],
  ])('measured as %s with %j is due after %s min: %s', (text, more, minutes, expected) => {
    expect(isDue(check(more), measured(text), minutes * minute)).toBe(expected);
  });

  it('comes to an end, and stays as it was judged', () => {
    const letters = fc.array(fc.constantFrom('s', 'f', 'i', 'e'), { minLength: 400, maxLength: 400 });
    const limits = fc.record({
      count: fc.integer({ min: 1, max: 20 }),
      failureLimit: fc.nat(5),
      inconclusiveLimit: fc.nat(5),
      errorLimit: fc.nat(5),
    });
    fc.assert(
      fc.property(letters, limits, (all, more) => {
        const one = check(more);
        const done: Measured[] = [];
        // As the loop does it: only while it is due.
        for (const next of measured(all.join(''))) {
          if (!isDue(one, done, next.beganAtMs)) break;
          done.push(next);
        }
        const { verdict, counted } = judgeCheck(one, done);
        expect(verdict).not.toBeNull();
        expect(counted).toBeLessThanOrEqual(one.count);
        if (verdict === 'SUCCESSFUL') expect(counted).toBe(one.count);
      }),
    );
  });
});

describe('a stage', () => {
  const stage = (...texts: string[]) =>
    judgeStage(
      texts.map((text, at) => ({
        check: check({ name: `c${at}`, errorLimit: 0 }),
        state: judgeCheck(check({ errorLimit: 0 }), measured(text)),
      })),
    );
  it.each([
    [[], 'none', ''],
    [['s', 's'], 'SUCCESSFUL', '2 checks succeeded'],
    [['s', ''], 'running', 'c1'],
    [['', 'f'], 'FAILED', 'the check "c1" failed: f0'],
    [['i', 'e', 'f'], 'FAILED', 'the check "c2" failed: f0'],
    [['i', 'e'], 'ERROR', 'the check "c1" could not be made: could not be measured 1 times: e0'],
    [['', 'i'], 'INCONCLUSIVE', 'the check "c1" says neither yes nor no: i0'],
  ])('of %j is %s', (texts, state, detail) => {
    expect(stage(...texts)).toEqual({ state, detail });
  });
});
