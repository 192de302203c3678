import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { forAll, publish, sampleBuild, sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

it.each([
  ['for everything', 'target', 'swarmDownload'],
  ['for what is fetched ahead', 'prefetch', 'prefetchDownload'],
] as const)('a limit %s holds for what comes straight from the hub too', async (_, kind, limit) => {
  const rate = 1024 * 1024;
  const build = sampleBuild('a1', { data: randomBytes(2 * rate).toString('latin1') });
  await publish(scene.folder, build);
  const { build: name, manifestDigest } = build.target;
  const key = kind === 'target' ? { candidate: forAll(build.target) } : { prefetch: [{ build: name, manifestDigest }] };
  await scene.start({
    smallFetchBytes: 2 ** 24,
    configChange: { [limit]: { bytesPerSecond: rate, hours: [] } },
  });
  scene.hub.publishKey(sampleKey(1, null, key));
  await eventually('the first of it', () => scene.hub.ranges.length > 0);
  const beganAt = performance.now();
  const { length } = build.packBytes;
  await eventually('the last of it', () => scene.hub.ranges.at(-1)?.[1] === length);
  const seconds = (performance.now() - beganAt) / 1_000;
  // What was not asked for before, less what may come at once.
  expect(seconds * rate).toBeGreaterThan(length - 2 * 256 * 1024 - rate - 0.1 * rate);
  expect(length).toBeGreaterThan(2 * rate);
});
