import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import type { RunSpec } from '@starling/shared/manifest.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forAll, sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

// The update waits for health for an hour: without the newer key none of these would come to an end.
const anHour = 3_600_000;

describe('a key that comes while a build is probed', { timeout: 60_000 }, () => {
  let scene: Scene;
  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(() => scene.close());

  const wellWhen = (file: string): Partial<RunSpec> => ({
    health: { type: 'command', command: `echo "no database"; test -e ${join(scene.folder, file)}`, timeoutMs: 5_000 },
    healthyDeadlineMs: anHour,
  });
  async function probes(run: Partial<RunSpec>) {
    const one = await scene.build('a1', 1);
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const two = await scene.build('b2', 2, 'exec sleep 600', run);
    scene.hub.publishKey(sampleKey(2, one.target, { candidate: forAll(two.target) }));
    await scene.hub.untilStep('PROBING', 2);
    return { one, two };
  }

  it('takes the machine back at once from a build that is not well', async () => {
    const { one, two } = await probes({ ...wellWhen('never'), healthIntervalMs: 60_000 });
    scene.hub.publishKey(sampleKey(3, { ...one.target, deployment: 3 }));
    await scene.hub.untilStep('COMMITTED', 3);
    expect(await scene.currentVersion()).toBe('a1');
    expect(await scene.starts()).toEqual([one.target.build, two.target.build, one.target.build]);
    const given = scene.hub.reports.find(({ step, deployment }) => step === 'FAILED' && deployment === 2);
    expect(given?.detail).toBe(
      `it was told to go back to ${one.target.build} before it had been healthy for long enough: the health command ended with code 1: no database`,
    );
  });

  it('takes it back as well from one that has been healthy for a while, and when a candidate is only withdrawn', async () => {
    const { one, two } = await probes({ minHealthyTimeMs: anHour, healthyDeadlineMs: 2 * anHour });
    scene.hub.publishKey(sampleKey(3, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    await scene.hub.until(
      'back',
      ({ reports }) => reports.at(-1)?.observedBuild === one.target.build && reports.at(-1)?.step === 'COMMITTED',
    );
    expect(await scene.starts()).toEqual([one.target.build, two.target.build, one.target.build]);
  });

  it('takes it back out of the hook that would have had the last word', async () => {
    const pids = join(scene.folder, 'pids');
    const command = `echo $$ >> ${pids}; exec sleep 600`;
    const { one } = await probes({ hooks: { validateService: { command, timeoutMs: anHour } } });
    const started = async () => Number((await readFile(pids, 'utf8').catch(() => '')).trim());
    await eventually('the hook runs', async () => (await started()) > 0);
    scene.hub.publishKey(sampleKey(3, { ...one.target, deployment: 3 }));
    await scene.hub.untilStep('COMMITTED', 3);
    expect(await scene.currentVersion()).toBe('a1');
    expect(startOf(await started())).toBeUndefined();
  });

  it('brings the newer build in place of one that is not well', async () => {
    const { one } = await probes(wellWhen('never'));
    const three = await scene.build('c3', 3);
    scene.hub.publishKey(sampleKey(3, one.target, { candidate: forAll(three.target) }));
    await scene.hub.untilStep('COMMITTED', 3);
    expect(await scene.currentVersion()).toBe('c3');
    const given = scene.hub.reports.find(({ step, deployment }) => step === 'FAILED' && deployment === 2);
    expect(given?.detail).toContain('deployment 3 came before it was healthy: the health command ended with code 1');
    expect(given?.observedBuild).toBe(one.target.build);
  });

  it('counts also when it came before the probing, and over a restart of the agent', async () => {
    const { one, two } = await probes({ ...wellWhen('never'), healthIntervalMs: 60_000 });
    await scene.stopAgent();
    scene.hub.publishKey(sampleKey(3, { ...one.target, deployment: 3 }));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 3);
    expect(await scene.starts()).toEqual([one.target.build, two.target.build, one.target.build]);
  });
});
