import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { defaultLaneLimits } from './lane-limits.ts';
import { Uplink, type Waiting } from './uplink.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const limits = { ...defaultLaneLimits, sendingAtOnce: 2, maxSending: 4, slowAfterMs: 1_000 };

/** One who wants `pieces`, each sent when the test says so. */
class Receiver implements Waiting {
  isNewcomer = false;
  readonly name: string;
  readonly #log: string[];
  #left: number;
  #sent: (() => void) | undefined;
  constructor(name: string, pieces: number, log: string[]) {
    this.name = name;
    this.#left = pieces;
    this.#log = log;
  }
  async sendOne(): Promise<boolean> {
    this.#log.push(this.name);
    this.#left -= 1;
    await new Promise<void>((resolve) => {
      this.#sent = resolve;
    });
    return this.#left > 0;
  }
  async end(): Promise<void> {
    this.#sent?.();
    await vi.advanceTimersByTimeAsync(0);
  }
}

it('serves in turns, a few at a time', async () => {
  const log: string[] = [];
  const uplink = new Uplink(limits);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new Receiver(name, 2, log)) as [Receiver, Receiver, Receiver];
  for (const who of [a, b, c]) uplink.request(who);
  expect(log).toEqual(['a', 'b']);
  await a.end();
  expect(log).toEqual(['a', 'b', 'c']);
  await b.end();
  await c.end();
  expect(log).toEqual(['a', 'b', 'c', 'a', 'b']);
});

it('keeps a place for a newcomer', () => {
  const log: string[] = [];
  const uplink = new Uplink(limits);
  for (const name of ['a', 'b', 'c']) uplink.request(new Receiver(name, 1, log));
  const [first, second] = ['new', 'newer'].map((name) =>
    Object.assign(new Receiver(name, 1, log), { isNewcomer: true }),
  );
  uplink.request(first as Receiver);
  uplink.request(second as Receiver);
  expect(log).toEqual(['a', 'b', 'new']);
});

it('is not held up by who is slow, and never sends to more than it may', async () => {
  const log: string[] = [];
  const uplink = new Uplink(limits);
  for (let index = 0; index < 8; index += 1) uplink.request(new Receiver(`r${index}`, 1, log));
  expect(log).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1_001);
  uplink.pump();
  expect(log).toHaveLength(4);
  await vi.advanceTimersByTimeAsync(1_001);
  uplink.pump();
  expect(log).toHaveLength(4);
});

it('forgets who left', async () => {
  const log: string[] = [];
  const uplink = new Uplink(limits);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new Receiver(name, 1, log)) as [Receiver, Receiver, Receiver];
  for (const who of [a, b, c]) uplink.request(who);
  uplink.forget(c);
  await a.end();
  await b.end();
  expect(log).toEqual(['a', 'b']);
});
