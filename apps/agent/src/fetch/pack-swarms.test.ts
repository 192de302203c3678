import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestClock } from '@starling/shared/clock.ts';
import type { AgentFrame } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { sampleBuild } from '../testing/sample-build.ts';
import { PackSwarms } from './pack-swarms.ts';

const packOf = (sha: string) => sampleBuild(sha, { file: sha }).pack;
const whole = (...packs: Pack[]) => packs.map((pack) => ({ pack, ranges: [[0, pack.sizeBytes] as const] }));
const [one, two] = [packOf('a1'), packOf('b2')];

let folder: string;
let swarm: FakeSwarm;
let packs: PackSwarms;
let frames: AgentFrame[];
const clock = new TestClock();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-packs-'));
  frames = [];
  swarm = new FakeSwarm(folder);
  const send = (frame: AgentFrame) => void frames.push(frame);
  packs = new PackSwarms({ swarm, folder, clock, log: pino({ level: 'silent' }), send });
});
afterEach(async () => {
  await packs.close();
  await rm(folder, { recursive: true, force: true });
});

it('joins a pack that two projects share once, and leaves it when neither wants it', async () => {
  await Promise.all([packs.holdOnly('a', whole(one)), packs.holdOnly('b', whole(one, two))]);
  expect(swarm.joined).toEqual(new Set([one.torrent.infoHash, two.torrent.infoHash]));
  await packs.holdOnly('b', whole());
  expect(swarm.joined).toEqual(new Set([one.torrent.infoHash]));
  expect(frames).toContainEqual({ type: 'withdraw', infoHash: two.torrent.infoHash });
  await packs.holdOnly('a', whole(two));
  expect(swarm.joined).toEqual(new Set([two.torrent.infoHash]));
});

it('announces every swarm every 2 s', async () => {
  packs.start();
  await packs.holdOnly('a', whole(one));
  const announced = () => frames.filter(({ type }) => type === 'announce').length;
  const before = announced();
  await clock.advance(6_000);
  expect(announced() - before).toBe(3);
});

it('announces as seldom as the hub says, and at once when it wants more', async () => {
  packs.start();
  await packs.holdOnly('a', [{ pack: one, ranges: [] }]);
  const announced = () => frames.filter(({ type }) => type === 'announce').length;
  packs.setPeers({ infoHash: one.torrent.infoHash, peers: [], announceEveryMs: 8_000 });
  await clock.advance(2_000);
  const before = announced();
  await clock.advance(16_000);
  expect(announced() - before).toBe(2);
  await packs.holdOnly('a', whole(one));
  expect(announced() - before).toBe(3);
});

it('deletes every file of a pack that nobody needs, and no other', async () => {
  const endings = ['', '.pieces', '.pieces.new', '.ranges', '.ranges.done'];
  const filesOf = (name: string) => endings.map((ending) => `${name}${ending}`);
  for (const name of [...filesOf(one.sha256), ...filesOf('old')]) await writeFile(join(folder, name), '');
  await packs.discardRanges(one.sha256);
  await packs.prune(new Set([one.sha256]));
  expect((await readdir(folder)).sort()).toEqual(filesOf(one.sha256).slice(0, 3));
});

it('deletes the packs that nobody needs, but none that is in a swarm', async () => {
  for (const name of [one.sha256, two.sha256, 'old']) await writeFile(join(folder, name), '');
  await packs.holdOnly('a', whole(one));
  await packs.prune(new Set([two.sha256]));
  expect((await readdir(folder)).sort()).toEqual([one.sha256, two.sha256].sort());
  await packs.discard(one.sha256);
  expect(swarm.joined.size).toBe(0);
  expect(await readdir(folder)).toEqual([two.sha256]);
});
