import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TestClock } from '@starling/shared/clock.ts';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PackSwarms } from '../fetch/pack-swarms.ts';
import { initialSituation, type Situation } from '../machine/situation.ts';
import { ProjectLayout } from '../slots/layout.ts';
import { SlotStore } from '../slots/slot-store.ts';
import { HookHost } from '../supervise/hook-host.ts';
import { ProgramHost } from '../supervise/program-host.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { manifestKey, type SampleBuild } from '../testing/sample-build.ts';
import { eventually, Scene } from '../testing/scene.ts';
import { fetching } from './fetching.ts';
import type { StepContext } from './step.ts';

let scene: Scene;
let clock: TestClock;
let swarm: FakeSwarm;
let notes: string[];
let progress: number[];
let context: StepContext;
let build: SampleBuild;
let situation: Situation;
beforeEach(async () => {
  scene = await Scene.open();
  clock = new TestClock();
  swarm = new FakeSwarm(join(scene.folder, 'packs'));
  [notes, progress] = [[], []];
  const log = pino({ level: 'silent' });
  const packFolder = join(scene.folder, 'fetched');
  await mkdir(packFolder);
  build = await scene.build('a1', 1);
  situation = { ...initialSituation('hello'), state: 'FETCHING', attempt: { ...build.target, refetched: false } };
  context = {
    project: 'hello',
    dataFolder: scene.folder,
    keepSlots: 3,
    keepBytes: 0,
    driftEveryMs: 0,
    place: new ProjectLayout(join(scene.folder, 'p')),
    hooks: new HookHost(join(scene.folder, 'p'), clock),
    slots: new SlotStore(
      'hello',
      new ProjectLayout(join(scene.folder, 'p')),
      new TrustedKeys('manifest', [manifestKey.publicPem]),
    ),
    programs: new ProgramHost({ project: 'hello', projectFolder: join(scene.folder, 'p'), environment: {}, clock }),
    packs: new PackSwarms({ swarm, folder: packFolder, clock, log, send: () => undefined }),
    clock,
    log,
    freeBytes: async () => 1e12,
    hub: {
      manifest: async () => build.manifestBytes,
      ancestor: async () => undefined,
      knowsPack: async () => true,
      ranges: async () => true,
    },
    smallFetchBytes: 0,
    baseCopy: undefined,
    prepared: undefined,
    prunePacks: async () => undefined,
    newest: () => ({ desired: null, changed: new AbortController().signal }),
    note: (detail) => notes.push(detail),
    progress: ({ bytesDone }) => progress.push(bytesDone),
  };
});
afterEach(async () => {
  await context.packs.close();
  await scene.close();
});

it('says once of each stall that nothing arrives, tells its progress each second, and goes on', async () => {
  swarm.stalled = true;
  const ended = fetching(context, situation, new AbortController().signal);
  await eventually('the first progress', () => progress.length === 1);
  await clock.advance(59_000);
  expect([notes, progress.length]).toEqual([[], 60]);
  await clock.advance(120_000);
  expect(notes).toEqual(['no bytes arrived for 1 m; connected to 1 members of the swarm']);
  swarm.stalled = false;
  expect(await ended).toEqual({ type: 'PACK_FETCHED' });
  expect(progress.at(-1)).toBe(build.packBytes.length);
});

it('asks for a wrong manifest three times, then fails', async () => {
  let asked = 0;
  context.hub.manifest = async () => {
    asked += 1;
    return Buffer.from('{}');
  };
  const ended = fetching(context, situation, new AbortController().signal).catch((error: Error) => error.message);
  await eventually('the first answer', () => asked === 1);
  while (asked < 3) await clock.advance(1_000);
  expect(await ended).toContain('have the digest');
  expect(asked).toBe(3);
});

it('deletes old slots before it says that the disk is full', async () => {
  const old = await scene.build('b2', 2);
  await context.slots.saveManifest(old.target, old.manifestBytes);
  context.freeBytes = async () => ((await context.slots.manifest(old.target)) ? 0 : 1e12);
  expect(await fetching(context, situation, new AbortController().signal)).toEqual({ type: 'PACK_FETCHED' });
  context.freeBytes = async () => 0;
  const other = await scene.build('c3', 3);
  const next = { ...situation, attempt: { ...other.target, refetched: false } };
  context.hub.manifest = async () => other.manifestBytes;
  await expect(fetching(context, next, new AbortController().signal)).rejects.toThrow(/needs .* free, has 0 B/);
});
