import { TestClock } from '@starling/shared/clock.ts';
import { array, assert, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

const steps = array(tuple(integer({ min: 0, max: 3_000 }), integer({ min: 1, max: 500_000 })), { maxLength: 60 });

const at = (now: () => number) => ({ now, sleep: () => Promise.reject(new Error('nobody waits')) });
const never = new AbortController().signal;

describe('a bucket', () => {
  it('lets no more pass over any time than its rate, a second of it, and one piece', () => {
    assert(
      property(integer({ min: 1_000, max: 1_000_000 }), steps, (rate, wishes) => {
        let now = 0;
        const bucket = new TokenBucket(
          () => rate,
          at(() => now),
        );
        const passed: { at: number; bytes: number }[] = [];
        for (const [pauseMs, bytes] of wishes) {
          now += pauseMs;
          if (bucket.waitMs() > 0) continue;
          bucket.take(bytes);
          passed.push({ at: now, bytes });
        }
        for (const [from, { at }] of passed.entries()) {
          let sum = 0;
          for (const later of passed.slice(from)) {
            const allowed = (rate * (later.at - at + 1_000)) / 1_000;
            // Before the last piece nothing was owed.
            expect(sum).toBeLessThanOrEqual(allowed + 1e-6);
            sum += later.bytes;
          }
        }
      }),
    );
  });

  it('is open again after the time that it says, and not long before', () => {
    assert(
      property(integer({ min: 1, max: 1_000_000 }), integer({ min: 1, max: 10_000_000 }), (rate, bytes) => {
        let now = 0;
        const bucket = new TokenBucket(
          () => rate,
          at(() => now),
        );
        bucket.take(bytes);
        const wait = bucket.waitMs();
        now += Math.max(0, wait - 2);
        if (wait > 2) expect(bucket.waitMs()).toBeGreaterThan(0);
        now += 3;
        expect(bucket.waitMs()).toBe(0);
      }),
    );
  });

  it('follows a rate that changes, and holds nothing up without one', () => {
    let [now, rate] = [0, 1_000 as number | undefined];
    const bucket = new TokenBucket(
      () => rate,
      at(() => now),
    );
    bucket.take(10_000);
    expect(bucket.waitMs()).toBe(10_000);
    now += 5_000;
    rate = 5_000;
    expect(bucket.waitMs()).toBe(0);
    bucket.take(1_000_000);
    rate = undefined;
    expect(bucket.waitMs()).toBe(0);
  });
});

describe('lines of a bucket', () => {
  it('pass no more together than one alone, and in turns however much waits in each', async () => {
    const clock = new TestClock();
    const bucket = new TokenBucket(() => 1_000, clock);
    const passed: { line: number; bytes: number; atMs: number }[] = [];
    const startedAt = clock.now();
    const waits = [20, 3, 1].flatMap((count, line) => {
      const through = bucket.line();
      return Array.from({ length: count }, async () => {
        expect(await through.pass(100, never)).toBe(true);
        passed.push({ line, bytes: 100, atMs: clock.now() - startedAt });
      });
    });
    await clock.advance(60_000);
    await Promise.all(waits);
    expect(passed).toHaveLength(24);
    for (const [index, { atMs }] of passed.entries()) expect(atMs).toBeGreaterThanOrEqual(index * 100);
    // The first came while nobody waited.
    expect(passed.slice(0, 8).map(({ line }) => line)).toEqual([0, 0, 1, 2, 0, 1, 0, 1]);
    expect(passed.at(-1)?.atMs).toBeLessThan(2_600);
  });

  it('count what was given back as not passed', async () => {
    const clock = new TestClock();
    const line = new TokenBucket(() => 1_000, clock).line();
    await line.pass(10_000, never);
    expect(line.isOpen()).toBe(false);
    line.giveBack(9_500);
    await clock.advance(400);
    expect(line.isOpen()).toBe(false);
    await clock.advance(100);
    expect(line.isOpen()).toBe(true);
  });

  it('are left on abort, with nothing taken, and hold up nobody then', async () => {
    const clock = new TestClock();
    const bucket = new TokenBucket(() => 1_000, clock);
    const [one, other] = [bucket.line(), bucket.line()];
    one.take(1_000);
    const leaving = new AbortController();
    const left = one.pass(50_000, leaving.signal);
    const waiting = other.pass(500, never);
    leaving.abort();
    expect(await left).toBe(false);
    expect(await one.pass(1, leaving.signal)).toBe(false);
    await clock.advance(1_000);
    expect(await waiting).toBe(true);
    await clock.advance(500);
    expect(one.isOpen()).toBe(true);
  });

  it('are opened by a rate that rises, or is no longer there, while they wait', async () => {
    const clock = new TestClock();
    let rate: number | undefined = 1;
    const line = new TokenBucket(() => rate, clock).line();
    line.take(100_000);
    const waiting = [line.pass(100_000, never), line.pass(100_000, never)];
    await clock.advance(1_000);
    rate = 1_000_000;
    await clock.advance(500);
    expect(await waiting[0]).toBe(true);
    rate = undefined;
    expect(line.isLimited()).toBe(false);
    await clock.advance(500);
    expect(await waiting[1]).toBe(true);
  });

  it('may be waited in again after everybody has left', async () => {
    const clock = new TestClock();
    const line = new TokenBucket(() => 1_000, clock).line();
    line.take(1_000);
    line.wait(() => expect.unreachable('it left'))();
    let turns = 0;
    line.wait(() => {
      turns += 1;
    });
    await clock.advance(1_000);
    expect(turns).toBe(1);
  });
});
