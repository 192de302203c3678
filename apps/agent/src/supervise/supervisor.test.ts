import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, TestClock } from '@starling/shared/clock.ts';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ProjectLayout } from '../slots/layout.ts';
import { SlotStore } from '../slots/slot-store.ts';
import { fromPack, manifestKey, sampleBuild } from '../testing/sample-build.ts';
import { eventually } from '../testing/scene.ts';
import { ProgramHost } from './program-host.ts';
import { Supervisor } from './supervisor.ts';

const never = new AbortController().signal;
const build = sampleBuild('a1', { 'run.sh': 'echo start >> starts\nexit 1\n' }, { command: 'sh run.sh' });
let folder: string;
let slots: SlotStore;
let programs: ProgramHost;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-supervise-'));
  slots = new SlotStore('hello', new ProjectLayout(folder), new TrustedKeys('manifest', [manifestKey.publicPem]));
  await slots.saveManifest(build.target, build.manifestBytes);
  await writeFile(join(folder, 'pack'), build.packBytes);
  await slots.fill(build.target, build.manifest, fromPack(build, join(folder, 'pack')), never);
  const environment = { PATH: '/usr/bin:/bin' };
  programs = new ProgramHost({ project: 'hello', projectFolder: folder, environment, clock: systemClock });
});
afterEach(async () => {
  await programs.stop(0, never);
  await rm(folder, { recursive: true, force: true });
});
const starts = async () =>
  (await readFile(join(slots.folder(build.target), 'starts'), 'utf8').catch(() => '')).split('\n').length - 1;

it('starts a program that exits again after 1 s, 2 s, 4 s … and 30 s at most', async () => {
  const clock = new TestClock();
  const notes: string[] = [];
  const loops: string[] = [];
  const supervisor = new Supervisor({
    programs,
    slots,
    clock,
    log: pino({ level: 'silent' }),
    note: (detail) => notes.push(detail),
    onCrashLoop: (reason) => loops.push(reason),
  });
  await supervisor.watch(build.target);
  const pauses = ['1 s', '2 s', '4 s', '8 s', '16 s', '30 s', '30 s'];
  for (const [index, pause] of pauses.entries()) {
    const exits = () => notes.filter((note) => note.includes('exited with code 1'));
    await eventually(`exit ${index + 1}`, () => exits().length === index + 1);
    expect(exits().at(-1)).toContain(`started again in ${pause}`);
    expect(supervisor.isTroubled).toBe(true);
    const milliseconds = Number.parseInt(pause, 10) * 1_000;
    await clock.advance(milliseconds - 1);
    expect(await starts()).toBe(index + 1);
    await clock.advance(1);
  }
  expect(loops[0]).toBe('the program keeps exiting, 5 times in a row: it exited with code 1');
  expect(loops.length).toBeGreaterThan(1);
  await supervisor.release();
  // One that was being started when it was let go still says so; none comes after it.
  await eventually('the last one is gone', async () => (await programs.running()) === undefined);
  const before = await starts();
  await clock.advance(120_000);
  expect(await starts()).toBe(before);
});

it('leaves a program alone that an earlier agent started', async () => {
  const program = await programs.launch(
    build.target,
    { ...(await slots.needManifest(build.target)).run, command: 'exec sleep 600' },
    slots.folder(build.target),
    'update',
  );
  const later = new ProgramHost({ project: 'hello', projectFolder: folder, environment: {}, clock: systemClock });
  const notes: string[] = [];
  const loops: string[] = [];
  const supervisor = new Supervisor({
    programs: later,
    slots,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    note: (detail) => notes.push(detail),
    onCrashLoop: (reason) => loops.push(reason),
  });
  await supervisor.watch(build.target);
  expect((await later.running())?.record).toEqual(program.record);
  await supervisor.release();
  expect([notes, loops, await starts()]).toEqual([[], [], 0]);
});
