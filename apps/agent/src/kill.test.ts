import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import { lifecycleEvents } from '@starling/shared/lifecycle.ts';
import type { MachineStep } from '@starling/shared/words.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentProcessOrder } from './testing/agent-process.ts';
import { forAll, longWatched, manifestKey, sampleKey, versionKeyPair } from './testing/sample-build.ts';
import { Scene } from './testing/scene.ts';

const moments = ['before', 'after'] as const;
const onTheWay: MachineStep[] = ['FETCHING', 'VERIFYING', 'STAGED', 'STOPPING', 'SWAPPING', 'STARTING', 'PROBING'];

/** Runs an agent in its own process until it ends itself with SIGKILL at a moment of its journal. */
async function runUntilKilled(scene: Scene, killAt: AgentProcessOrder['killAt']): Promise<void> {
  const { manifestKeys: _, versionKeys: __, ...config } = scene.config;
  const order: AgentProcessOrder = {
    config,
    manifestPublicPem: manifestKey.publicPem,
    versionPublicPem: versionKeyPair.publicPem,
    packs: join(scene.folder, 'packs'),
    killAt,
  };
  const path = join(scene.folder, 'order.json');
  await writeFile(path, JSON.stringify(order));
  const script = join(import.meta.dirname, 'testing', 'agent-process.ts');
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  expect(ended).toBe('SIGKILL');
}

// Real processes, on a machine that may be busy.
describe('an agent that is killed and started again', { timeout: 60_000 }, () => {
  let scene: Scene;
  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(() => scene.close());

  /** Brings the first build up with an agent that ends, as updates begin from there. */
  async function deployFirst() {
    const one = await scene.build('a1', 1);
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    await scene.stopAgent();
    return one;
  }

  for (const state of [...onTheWay, 'COMMITTED'] as MachineStep[]) {
    for (const moment of moments) {
      it(`${moment} entering ${state} finishes the update, with one program and no second start`, async () => {
        const one = await deployFirst();
        const two = await scene.build('b2', 2);
        scene.hub.publishKey(sampleKey(2, two.target));
        await runUntilKilled(scene, { moment, state });
        const since = scene.hub.reports.length;
        await scene.start();
        await scene.hub.untilStep('COMMITTED', 2, since);
        expect(await scene.currentVersion()).toBe('b2');
        expect(await scene.starts()).toEqual([one.target.build, two.target.build]);
        expect(scene.agent?.situationOf('hello')).toMatchObject({ state: 'COMMITTED', earlier: [one.target] });
      });
    }
  }

  for (const event of lifecycleEvents) {
    it(`in the middle of ${event} ends what is left of it, runs it again and goes on`, async () => {
      const pids = join(scene.folder, 'pids');
      // The hook's parent is the agent. The first time it takes the agent away and hangs.
      const command = `echo $$ >> "${pids}"; test $(wc -l < "${pids}") -gt 1 || { kill -9 $PPID; exec sleep 600; }`;
      const hooks = { [event]: { command, timeoutMs: 30_000 } };
      const isOfOld = event === 'drain' || event === 'applicationStop';
      const one = await scene.build('a1', 1, 'exec sleep 600', isOfOld ? { hooks } : {});
      scene.hub.publishKey(sampleKey(1, one.target));
      await scene.start();
      await scene.hub.untilStep('COMMITTED', 1);
      await scene.stopAgent();
      const two = await scene.build('b2', 2, 'exec sleep 600', isOfOld ? {} : { hooks });
      scene.hub.publishKey(sampleKey(2, two.target));
      await runUntilKilled(scene, { moment: 'after', state: 'never' });
      const first = Number((await readFile(pids, 'utf8')).trim());
      expect(startOf(first)).toBeDefined();
      await scene.start();
      await scene.hub.untilStep('COMMITTED', 2);
      expect(startOf(first)).toBeUndefined();
      expect((await readFile(pids, 'utf8')).trim().split('\n')).toHaveLength(2);
      expect(await scene.starts()).toEqual([one.target.build, two.target.build]);
    });
  }

  for (const state of ['REVERTING', 'FAILED'] as MachineStep[]) {
    for (const moment of moments) {
      it(`${moment} entering ${state} ends on the build before, with the reason`, async () => {
        const one = await deployFirst();
        const bad = await scene.build('b2', 2, 'echo broken; exit 3', longWatched);
        scene.hub.publishKey(sampleKey(2, one.target, { candidate: forAll(bad.target) }));
        await runUntilKilled(scene, { moment, state });
        const since = scene.hub.reports.length;
        await scene.start();
        const failed = await scene.hub.untilStep('FAILED', 2, since);
        expect(failed.detail).toContain('broken');
        expect(failed.observedBuild).toBe(one.target.build);
        expect(await scene.currentVersion()).toBe('a1');
        const starts = await scene.starts();
        // Killed before REVERTING was written down, the agent does not know why the program is gone: it tries it again.
        const tries = moment === 'before' && state === 'REVERTING' ? [bad.target.build] : [];
        expect(starts).toEqual([one.target.build, bad.target.build, ...tries, one.target.build]);
      });
    }
  }
});
