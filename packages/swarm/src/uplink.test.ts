import { systemClock } from '@starling/shared/clock.ts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { defaultLaneLimits } from './lane-limits.ts';
import { TokenBucket } from './token-bucket.ts';
import { type UnderWay, Uplink, type Waiting } from './uplink.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pieceBytes = 1_000;
const limits = {
  ...defaultLaneLimits,
  sendingAtOnce: 2,
  maxSending: 4,
  slowAfterMs: 1_000,
  quickMs: 100,
  windowBytes: 3 * pieceBytes,
};

/** One who wants `pieces`; the system takes their bytes at once, and the test says when each has arrived. */
class Receiver implements Waiting {
  isNewcomer = false;
  wantsUngiven = false;
  readonly name: string;
  readonly #uplink: Uplink;
  readonly #log: string[];
  readonly underWay: UnderWay[] = [];
  #left: number;
  constructor(name: string, pieces: number, uplink: Uplink, log: string[]) {
    this.name = name;
    this.#left = pieces;
    this.#uplink = uplink;
    this.#log = log;
  }
  async sendOne(): Promise<boolean> {
    this.#log.push(this.name);
    this.#left -= 1;
    this.underWay.push(this.#uplink.begin(this, pieceBytes));
    await Promise.resolve();
    return this.#left > 0;
  }
  async arrive(): Promise<void> {
    this.underWay.shift()?.end(true);
    await vi.advanceTimersByTimeAsync(0);
  }
}

function scene() {
  const log: string[] = [];
  const uplink = new Uplink(limits);
  const receiver = (name: string, pieces: number) => new Receiver(name, pieces, uplink, log);
  return { log, uplink, receiver };
}

it('serves in turns, a few at a time, and the next when one has arrived', async () => {
  const { log, uplink, receiver } = scene();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => receiver(name, 2)) as [Receiver, Receiver, Receiver];
  for (const who of [a, b, c]) uplink.request(who);
  await vi.advanceTimersByTimeAsync(500);
  expect(log).toEqual(['a', 'b']);
  await a.arrive();
  expect(log).toEqual(['a', 'b', 'c']);
  await b.arrive();
  await c.arrive();
  expect(log).toEqual(['a', 'b', 'c', 'a', 'b']);
});

it('has more of them under way while they arrive quickly, and fewer when they take long', async () => {
  const { uplink, receiver } = scene();
  const a = receiver('a', 100);
  uplink.request(a);
  await vi.advanceTimersByTimeAsync(0);
  expect(a.underWay).toHaveLength(2);
  for (let turn = 0; turn < 6; turn += 1) await a.arrive();
  expect(a.underWay).toHaveLength(3);
  for (let turn = 0; turn < 6; turn += 1) {
    await vi.advanceTimersByTimeAsync(300);
    await a.arrive();
  }
  expect(a.underWay).toHaveLength(2);
});

it('serves who wants what nobody was given first, and who has waited for long before that', async () => {
  const { log, uplink, receiver } = scene();
  const [a, b] = ['a', 'b'].map((name) => receiver(name, 1)) as [Receiver, Receiver];
  for (const who of [a, b, receiver('known', 1), receiver('old', 1)]) uplink.request(who);
  uplink.request(Object.assign(receiver('ungiven', 1), { wantsUngiven: true }));
  await a.arrive();
  expect(log).toEqual(['a', 'b', 'ungiven']);
  await vi.advanceTimersByTimeAsync(limits.turnPatienceMs + 1);
  uplink.request(Object.assign(receiver('later', 1), { wantsUngiven: true }));
  await b.arrive();
  expect(log).toEqual(['a', 'b', 'ungiven', 'known', 'old']);
});

it('keeps two places for newcomers', () => {
  const { log, uplink, receiver } = scene();
  for (const name of ['a', 'b', 'c']) uplink.request(receiver(name, 1));
  for (const name of ['new', 'newer', 'newest']) uplink.request(Object.assign(receiver(name, 1), { isNewcomer: true }));
  expect(log).toEqual(['a', 'b', 'new', 'newer']);
});

it('is not held up by who is slow, gives them no more, and never sends to more than it may', async () => {
  const { log, uplink, receiver } = scene();
  const slow = receiver('slow', 9);
  const quick = receiver('quick', 1);
  uplink.request(quick);
  await quick.arrive();
  log.length = 0;
  for (const who of [slow, ...[0, 1, 2, 3, 4, 5].map((index) => receiver(`r${index}`, 1))]) uplink.request(who);
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toEqual(['slow', 'r0']);
  await vi.advanceTimersByTimeAsync(1_001);
  uplink.pump();
  expect(log).toEqual(['slow', 'r0', 'r1', 'r2']);
  await vi.advanceTimersByTimeAsync(1_001);
  uplink.pump();
  expect(log).toHaveLength(4);
  await slow.arrive();
  expect(log).toHaveLength(5);
});

it('forgets who left', async () => {
  const { log, uplink, receiver } = scene();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => receiver(name, 1)) as [Receiver, Receiver, Receiver];
  for (const who of [a, b, c]) uplink.request(who);
  uplink.forget(c);
  await a.arrive();
  await b.arrive();
  expect(log).toEqual(['a', 'b']);
});

it('learns nothing from a piece that was given up', () => {
  const { uplink, receiver } = scene();
  const a = receiver('a', 1);
  uplink.request(a);
  const before = uplink.slowAfterMs;
  a.underWay[0]?.end(false);
  a.underWay[0]?.end(true);
  expect(uplink.slowAfterMs).toBe(before);
});

it('sends no more than its rate, and goes on by itself', async () => {
  const log: string[] = [];
  const bucket = new TokenBucket(() => pieceBytes, systemClock);
  const uplink = new Uplink(limits, bucket.line());
  const one = new Receiver('a', 5, uplink, log);
  uplink.request(one);
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toHaveLength(1);
  await one.arrive();
  await vi.advanceTimersByTimeAsync(900);
  expect(log).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(log).toHaveLength(2);
});
