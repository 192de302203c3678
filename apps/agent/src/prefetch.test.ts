import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forAll, type SampleBuild, sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

let scene: Scene;
let [first, next]: SampleBuild[] = [];
beforeEach(async () => {
  scene = await Scene.open();
  first = await scene.build('a1', 1);
  next = await scene.build('b2', 2);
});
afterEach(() => scene.close());

const build = (sample: SampleBuild | undefined) => sample!;
const named = ({ target: { build: name, manifestDigest } }: SampleBuild) => ({ build: name, manifestDigest });
const sizeOf = async (sample: SampleBuild, ending = '') =>
  (await stat(join(scene.data, 'packs', `${sample.packSha256}${ending}`)).catch(() => undefined))?.size;
const isHere = (sample: SampleBuild) =>
  eventually('the bytes ahead', async () => (await sizeOf(sample)) === sample.packBytes.length);
const isKept = (sample: SampleBuild) =>
  eventually('the note of it', async () => {
    const project = await readdir(scene.project);
    return project.includes('ahead.json') && (await sizeOf(sample)) !== undefined;
  });

describe('what a key names to be fetched ahead', () => {
  it('is here before it is decided, makes no slot, survives a restart, and costs the update no bytes', async () => {
    scene.hub.publishKey(sampleKey(1, build(first).target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    scene.hub.publishKey(sampleKey(2, build(first).target, { prefetch: [named(build(next))] }));
    await isHere(build(next));
    expect(await scene.currentVersion()).toBe('a1');
    expect((await readdir(join(scene.project, 'slots'))).filter((name) => name.includes('b2'))).toEqual([]);

    await scene.stopAgent();
    await scene.start();
    await eventually('the swarm of it again', () => scene.swarm.joined.has(build(next).infoHash));
    await isKept(build(next));
    scene.hub.publishKey(sampleKey(3, build(first).target, { candidate: forAll(build(next).target) }));
    await scene.hub.untilStep('COMMITTED', 2);
    expect(await scene.currentVersion()).toBe('b2');
    expect(scene.swarm.fetched).toEqual([]);
  });

  it('is found by the update also where it came straight from the hub', async () => {
    scene.hub.publishKey(sampleKey(1, null, { prefetch: [named(build(next))] }));
    await scene.start({ smallFetchBytes: 2 ** 20 });
    await eventually('all of it', async () => (await sizeOf(build(next), '.ranges')) === build(next).packBytes.length);
    await eventually('its note', async () => ((await sizeOf(build(next), '.ranges.done')) ?? 0) > 0);
    const asked = scene.hub.ranges.length;
    await scene.stopAgent();
    await scene.start({ smallFetchBytes: 2 ** 20 });
    scene.hub.publishKey(sampleKey(2, null, { candidate: forAll(build(next).target) }));
    await scene.hub.untilStep('COMMITTED', 2);
    expect(scene.hub.ranges.length).toBe(asked);
  });

  it('goes when it is named no more, and stays while it is the target of a wave that has not come', async () => {
    scene.hub.publishKey(sampleKey(1, build(first).target, { prefetch: [named(build(next))] }));
    await scene.start();
    await isHere(build(next));
    const later = { ...build(next).target, salt: 'salt', fraction: 0, selectors: [{ rack: 'another' }] };
    const other = await scene.build('c3', 3);
    scene.hub.publishKey(sampleKey(2, build(first).target, { candidate: later, prefetch: [named(other)] }));
    await isHere(other);
    expect(await sizeOf(build(next))).toBe(build(next).packBytes.length);
    scene.hub.publishKey(sampleKey(3, build(first).target));
    await eventually('both to go', async () => !(await sizeOf(build(next))) && !(await sizeOf(other)));
    expect(await sizeOf(build(first))).toBe(build(first).packBytes.length);
  });

  it('gives way to a target, and comes after it', async () => {
    scene.hub.publishKey(sampleKey(1, build(first).target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    scene.swarm.stalled = true;
    scene.hub.publishKey(sampleKey(2, build(first).target, { prefetch: [named(build(next))] }));
    await eventually('its swarm', () => scene.swarm.joined.has(build(next).infoHash));
    const urgent = await scene.build('c3', 3);
    scene.hub.publishKey(sampleKey(3, urgent.target, { prefetch: [named(build(next))] }));
    await eventually('the swarm of the target', () => scene.swarm.joined.has(urgent.infoHash));
    await eventually('the other to be left', () => !scene.swarm.joined.has(build(next).infoHash));
    scene.swarm.stalled = false;
    await scene.hub.untilStep('COMMITTED', 3);
    expect(scene.swarm.fetched).not.toContain(build(next).packSha256);
    await isHere(build(next));
  });

  it('is gone without where there is no room', async () => {
    const said: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => said.push(line) });
    scene.hub.publishKey(sampleKey(1, build(first).target, { prefetch: [named(build(next))] }));
    await scene.start({ log, configChange: { keepBytes: 1 } });
    await eventually('the refusal', () => said.some((line) => line.includes('is not fetched ahead')));
    expect(await scene.currentVersion()).toBe('a1');
    expect(await sizeOf(build(next))).toBeUndefined();
  });
});
