import { expect, it, onTestFinished } from 'vitest';
import { forAll, sampleKey } from '../testing/sample-build.ts';
import { Scene } from '../testing/scene.ts';

it('tells how a fetch went and from whom, and says it again to a hub that was started anew', async () => {
  const scene = await Scene.open();
  onTestFinished(() => scene.close());
  const { target } = await scene.build('a1', 1);
  scene.hub.publishKey(sampleKey(1, null, { candidate: forAll(target) }));
  await scene.start();
  await scene.hub.untilStep('COMMITTED', 1);
  const told = () => scene.hub.frames.filter((frame) => frame.type === 'progress');
  const last = told().at(-1)?.progress;
  expect(last).toMatchObject({ deployment: 1, account: { lanes: expect.any(Number), wrongPieces: 0 } });
  expect(last?.bytesDone).toBe(last?.bytesTotal);
  const before = told().length;
  scene.hub.drop();
  await scene.hub.until('the progress again', () => told().length > before);
  expect(told().at(-1)?.progress).toEqual(last);
});
