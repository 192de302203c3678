import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { distrustMs, SwarmTrust } from './swarm-trust.ts';

const peer = { host: '10.0.0.7', port: 7 };

function trustAt(time: { now: number }): SwarmTrust {
  const clock = { now: () => time.now, sleep: () => Promise.resolve() };
  return new SwarmTrust(clock, pino({ level: 'silent' }));
}

describe('whom a hub tells of', () => {
  it('puts a machine that sent wrong bytes aside for ten minutes, and counts it', async () => {
    const time = { now: 1_000 };
    const trust = trustAt(time);
    expect(trust.accuse('m1', 'm2', peer)).toBe(true);
    expect(trust.isPutAside('m2')).toBe(true);
    expect((await trust.metrics()).text).toContain('starling_hub_machines_put_aside 1');
    expect(trust.takeRestored()).toEqual([]);
    time.now += distrustMs;
    expect(trust.isPutAside('m2')).toBe(false);
    expect(trust.takeRestored()).toEqual(['m2']);
    expect(trust.takeRestored()).toEqual([]);
    expect(trust.describe()).toEqual({ callsWithoutKey: 0, wrongPieces: 1, putAside: [] });
    expect((await trust.metrics()).text).toContain('starling_hub_wrong_pieces_total 1');
  });

  it('lets no machine put aside more than a few, nor itself, nor what it was not told of', () => {
    const trust = trustAt({ now: 0 });
    const heard = ['a', 'b', 'c', 'd'].map((machine) => trust.accuse('liar', machine, peer));
    expect(heard).toEqual([true, true, true, false]);
    expect(trust.accuse('m1', 'd', peer)).toBe(true);
    expect(trust.accuse('m1', 'm1', peer)).toBe(false);
    expect(trust.accuse('m1', undefined, peer)).toBe(false);
  });
});
