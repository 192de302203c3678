import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import { systemClock } from '@starling/shared/clock.ts';
import type { WeeklyWindow } from '@starling/shared/freezes.ts';
import { waitsForWindow } from '@starling/shared/maintenance.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forAll, longWatched, type SampleBuild, sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

describe('an agent', () => {
  let scene: Scene;
  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(() => scene.close());

  it('deploys a first build, reports every step once and in order, and says hello with its labels', async () => {
    const good = await scene.build('a1', 1);
    scene.hub.publishKey(sampleKey(1, null, { candidate: forAll(good.target) }));
    await scene.start();
    const done = await scene.hub.untilStep('COMMITTED', 1);
    expect(done).toMatchObject({ observedBuild: good.target.build, desiredBuild: good.target.build, detail: '' });
    const order = ['FETCHING', 'VERIFYING', 'STAGED', 'STOPPING', 'SWAPPING', 'STARTING', 'PROBING', 'COMMITTED'];
    expect(scene.hub.reports.map(({ step }) => step)).toEqual(order);
    expect(await scene.currentVersion()).toBe('a1');
    await eventually('the program says that it was started', async () => (await scene.starts()).length > 0);
    expect(await scene.starts()).toEqual([good.target.build]);
    const hello = scene.hub.frames[0];
    expect(hello).toMatchObject({ type: 'hello', machine: 'm1', region: 'eu', labels: { rack: 'r1' } });
    const served = { type: 'announce', infoHash: good.infoHash, share: 1, wants: false };
    expect(scene.hub.frames).toContainEqual(served);
  });

  it('updates: the old program ends, the new one runs, the old slot is kept and no longer served', async () => {
    const [one, two] = [await scene.build('a1', 1), await scene.build('b2', 2)];
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    const oldPid = await scene.programPid();
    scene.hub.publishKey(sampleKey(2, one.target, { candidate: forAll(two.target) }));
    await scene.hub.untilStep('COMMITTED', 2);
    expect(await scene.currentVersion()).toBe('b2');
    expect(startOf(oldPid)).toBeUndefined();
    expect(scene.agent?.situationOf('hello')?.earlier).toEqual([one.target]);
    await eventually(
      'serving only the new pack',
      () => scene.swarm.joined.size === 1 && scene.swarm.joined.has(two.infoHash),
    );
    // Promotion to stable is no event for a machine that runs it already, a new deployment of the same build is one.
    scene.hub.publishKey(sampleKey(3, two.target));
    scene.hub.publishKey(sampleKey(4, { ...two.target, deployment: 9 }));
    await scene.hub.untilStep('COMMITTED', 9);
    expect(await scene.starts()).toEqual([one.target.build, two.target.build]);
  });

  it('rolls back to a kept slot without fetching anything', async () => {
    const [one, two] = [await scene.build('a1', 1), await scene.build('b2', 2)];
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    scene.hub.publishKey(sampleKey(2, two.target));
    await scene.hub.untilStep('COMMITTED', 2);
    const fetched = scene.swarm.fetched.length;
    scene.hub.publishKey(sampleKey(3, { ...one.target, deployment: 3 }));
    await scene.hub.untilStep('COMMITTED', 3);
    expect(await scene.currentVersion()).toBe('a1');
    expect(scene.swarm.fetched).toHaveLength(fetched);
  });

  it('gives up old slots over its budget, but never the one that runs or the one before', async () => {
    await scene.start({ configChange: { keepSlots: 10, keepBytes: 1 } });
    for (const [index, sha] of ['a1', 'b2', 'c3'].entries()) {
      scene.hub.publishKey(sampleKey(index + 1, (await scene.build(sha, index + 1)).target));
      await scene.hub.untilStep('COMMITTED', index + 1);
    }
    const slots = async () =>
      (await readdir(join(scene.project, 'slots'))).filter((name) => !name.includes('.')).toSorted();
    await eventually('the first slot is gone', async () => (await slots()).length === 2);
    expect((await slots()).map((name) => name.slice(0, 2))).toEqual(['b2', 'c3']);
  });

  it('goes back when the new program exits, says its exit code and last words, and does not try it again', async () => {
    const one = await scene.build('a1', 1);
    const bad = await scene.build('b2', 2, 'echo "no database" >&2; exit 3', longWatched);
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    scene.hub.publishKey(sampleKey(2, one.target, { candidate: forAll(bad.target) }));
    const failed = await scene.hub.untilStep('FAILED', 2);
    expect(failed.detail).toContain('exited with code 3');
    expect(failed.detail).toContain('no database');
    expect(failed.observedBuild).toBe(one.target.build);
    expect(await scene.currentVersion()).toBe('a1');
    scene.hub.publishKey(sampleKey(3, one.target, { candidate: forAll(bad.target) }));
    // The abort of the deployment: the machine is on the stable build already and does nothing but say so.
    scene.hub.publishKey(sampleKey(4, one.target));
    await scene.hub.until('COMMITTED again', ({ reports }) => reports.at(-1)?.step === 'COMMITTED');
    expect(scene.hub.reports.at(-1)).toMatchObject({ deployment: 1, observedBuild: one.target.build });
    expect(await scene.starts()).toEqual([one.target.build, bad.target.build, one.target.build]);
  });

  it('goes back when the probe does not pass in time, and says how it failed', async () => {
    const one = await scene.build('a1', 1);
    const bad = await scene.build('b2', 2, 'exec sleep 600', {
      health: { type: 'command', command: 'echo "not ready"; exit 7', timeoutMs: 1_000 },
      healthyDeadlineMs: 300,
    });
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    scene.hub.publishKey(sampleKey(2, bad.target));
    const { detail } = await scene.hub.untilStep('FAILED', 2);
    expect(detail).toContain('not healthy within 300 ms: the health command ended with code 7: not ready');
    expect(await scene.currentVersion()).toBe('a1');
  });

  it('goes back when the program keeps exiting soon after it was found healthy, and says so', async () => {
    const one = await scene.build('a1', 1);
    const bad = await scene.build('b2', 2, 'sleep 0.3; echo "out of memory"; exit 3', { minHealthyTimeMs: 100 });
    // The pauses between two starts of a program are the only waits that are cut short.
    const pauses = new Set([1_000, 2_000, 4_000, 8_000, 16_000]);
    const clock = {
      now: systemClock.now,
      sleep: (milliseconds: number, signal?: AbortSignal) =>
        systemClock.sleep(pauses.has(milliseconds) ? 10 : milliseconds, signal),
    };
    await scene.start({ clock });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    scene.hub.publishKey(sampleKey(2, one.target, { candidate: forAll(bad.target) }));
    await scene.hub.untilStep('COMMITTED', 2);
    const { detail, observedBuild } = await scene.hub.untilStep('FAILED', 2);
    expect(detail).toContain('the program keeps exiting, 5 times in a row: it exited with code 3');
    expect(detail).toContain('out of memory');
    expect(observedBuild).toBe(one.target.build);
    expect(await scene.currentVersion()).toBe('a1');
  });

  it('puts right what was changed in the slot, and says what', async () => {
    const one = await scene.build('a1', 1);
    await scene.start({ configChange: { driftEveryMs: 50 } });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const file = join(scene.project, 'current', 'version.txt');
    await writeFile(file, 'something else\n');
    const isDrift = ({ detail }: { detail: string }) => detail.startsWith('drift:');
    await scene.hub.until('a report of drift', ({ reports }) => reports.some(isDrift));
    expect(scene.hub.reports.find(isDrift)?.detail).toBe('drift: version.txt was changed; all put right');
    expect(await readFile(file, 'utf8')).toBe('a1\n');
  });

  it('leaves nothing behind when a first deployment fails, and nothing running when it is retired', async () => {
    const bad = await scene.build('b2', 1, 'exit 1', longWatched);
    const good = await scene.build('a1', 2);
    await scene.start();
    scene.hub.publishKey(sampleKey(1, null, { candidate: forAll(bad.target) }));
    expect((await scene.hub.untilStep('FAILED', 1)).observedBuild).toBeNull();
    expect(await scene.currentVersion()).toBeUndefined();
    scene.hub.publishKey(sampleKey(2, null, { candidate: forAll(good.target) }));
    await scene.hub.untilStep('COMMITTED', 2);
    const pid = await scene.programPid();
    scene.hub.publishKey(sampleKey(3, null));
    await scene.hub.until('IDLE', ({ reports }) => reports.at(-1)?.step === 'IDLE');
    expect(startOf(pid)).toBeUndefined();
    expect(await scene.currentVersion()).toBeUndefined();
  });

  it('takes up a newer target at once while it fetches, and only after the end while it probes', async () => {
    const [one, two, three] = [await scene.build('a1', 1), await scene.build('b2', 2), await scene.build('c3', 3)];
    await scene.start();
    scene.swarm.stalled = true;
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('FETCHING', 1);
    scene.hub.publishKey(sampleKey(2, two.target));
    await scene.hub.untilStep('FETCHING', 2);
    scene.swarm.stalled = false;
    await scene.hub.untilStep('PROBING', 2);
    scene.hub.publishKey(sampleKey(3, three.target));
    await scene.hub.untilStep('COMMITTED', 3);
    const committed = scene.hub.reports.filter(({ step }) => step === 'COMMITTED').map(({ deployment }) => deployment);
    expect(committed).toEqual([2, 3]);
    expect(await scene.starts()).toEqual([two.target.build, three.target.build]);
  });

  it('makes a held build ready and touches nothing, until it is let go', async () => {
    const [one, two] = [await scene.build('a1', 1), await scene.build('b2', 2)];
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const candidate = forAll(two.target);
    scene.hub.publishKey(sampleKey(2, one.target, { candidate: { ...candidate, held: true } }));
    const waits = ({ reports }: typeof scene.hub) => reports.at(-1)?.detail.startsWith('ready; waits') === true;
    await scene.hub.until('a machine that is ready and waits', waits);
    // Nor does a restart let it go.
    await scene.agent?.stop();
    scene.hub.reports.length = 0;
    await scene.start();
    await scene.hub.until('the same after a restart', waits);
    expect(await scene.starts()).toEqual([one.target.build]);
    scene.hub.publishKey(sampleKey(3, one.target, { candidate }));
    await scene.hub.untilStep('COMMITTED', 2);
    expect(await scene.starts()).toEqual([one.target.build, two.target.build]);
  });

  it('outside its maintenance window makes a build ready, and goes over when the window opens or is passed', async () => {
    // Time stands still for a while, and being healthy for long would take for ever.
    const build = (sha: string, deployment: number) =>
      scene.build(sha, deployment, 'exec sleep 600', { minHealthyTimeMs: 0 });
    const [one, two, three] = [await build('a1', 1), await build('b2', 2), await build('c3', 3)];
    // Sunday, 22 November 2026, twenty seconds before the window.
    let now = Date.UTC(2026, 10, 22, 0, 59, 40);
    const clock = {
      now: () => now,
      sleep: (milliseconds: number, signal?: AbortSignal) =>
        systemClock.sleep(milliseconds === 10_000 ? 20 : milliseconds, signal),
    };
    const window: WeeklyWindow = { days: ['sun'], from: '01:00', to: '05:00', timeZone: 'UTC' };
    const rules = [{ labels: { rack: 'r1' }, windows: [window] }];
    const times = { issuedAt: now, expiresAt: now + 30 * 86_400_000 };
    const key = (sequence: number, build: SampleBuild, passes: number[] = []) =>
      sampleKey(sequence, build.target, { ...times, maintenance: { rules, passes } });
    await scene.start({ clock });
    scene.hub.publishKey(key(1, one, [1]));
    await scene.hub.untilStep('COMMITTED', 1);
    scene.hub.publishKey(key(2, two));
    const waits = ({ reports }: typeof scene.hub) => reports.at(-1)?.detail === waitsForWindow;
    await scene.hub.until('a machine that is ready and waits', waits);
    expect(scene.hub.reports.at(-1)).toMatchObject({ step: 'STAGED', observedBuild: one.target.build });
    // It is told so again to a hub that has just started.
    scene.hub.reports.length = 0;
    scene.hub.drop();
    await scene.hub.until('the same on a new connection', waits);
    // A hotfix passes.
    scene.hub.publishKey(key(3, three, [3]));
    await scene.hub.untilStep('COMMITTED', 3);
    expect(await scene.currentVersion()).toBe('c3');
    scene.hub.publishKey(key(4, two));
    await scene.hub.until('waiting again', waits);
    now = Date.UTC(2026, 10, 22, 1);
    await scene.hub.untilStep('COMMITTED', 2);
  });

  it('fetches a wrong pack once more, and then fails with the reason', async () => {
    const one = await scene.build('a1', 1);
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(scene.folder, 'packs', one.packSha256), Buffer.alloc(one.packBytes.length, 'x'));
    await scene.start();
    scene.hub.publishKey(sampleKey(1, null, { candidate: forAll(one.target) }));
    expect((await scene.hub.untilStep('FAILED', 1)).detail).toContain('also the second time');
    expect(scene.swarm.fetched).toEqual([one.packSha256, one.packSha256]);
    expect(await readdir(join(scene.data, 'packs'))).toEqual([]);
  });

  it('refuses to begin when the disk is too small, and says what it needs and has', async () => {
    const one = await scene.build('a1', 1);
    await scene.start({ freeBytes: async () => 1_024 });
    scene.hub.publishKey(sampleKey(1, null, { candidate: forAll(one.target) }));
    expect((await scene.hub.untilStep('FAILED', 1)).detail).toMatch(/needs 64\.0 MiB free, has 1\.0 KiB/);
    expect(scene.swarm.fetched).toEqual([]);
  });

  it('waits for a manifest that the hub is still pulling', async () => {
    const one = await scene.build('a1', 1);
    const { rename } = await import('node:fs/promises');
    const path = join(scene.folder, 'manifests', one.target.manifestDigest);
    await rename(path, `${path}.later`);
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('FETCHING', 1);
    await eventually('a refused request', () => scene.hub.manifestRequests > 0);
    await rename(`${path}.later`, path);
    await scene.hub.untilStep('COMMITTED', 1);
  });

  it('refuses a tampered key and an older one, keeps its step, and says so once', async () => {
    const [one, two] = [await scene.build('a1', 1), await scene.build('b2', 2)];
    await scene.start();
    scene.hub.publishKey(sampleKey(5, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const tampered = { ...sampleKey(6, one.target), stable: two.target };
    for (const key of [tampered, tampered, sampleKey(4, two.target)]) scene.hub.send({ type: 'key', key });
    await scene.hub.until(
      'two refusals',
      ({ reports }) => reports.filter((r) => r.detail.includes('refused')).length === 2,
    );
    const refusals = scene.hub.reports.filter((r) => r.detail.includes('refused'));
    expect(refusals.map(({ step }) => step)).toEqual(['COMMITTED', 'COMMITTED']);
    expect(refusals[0]?.detail).toContain('its signature does not match');
    expect(refusals[1]?.detail).toContain('older than key 5');
    expect(await scene.currentVersion()).toBe('a1');
  });

  it('keeps only so many slots, and their packs', async () => {
    await scene.start();
    for (const [index, sha] of ['a1', 'b2', 'c3', 'd4', 'e5'].entries()) {
      const build = await scene.build(sha, index + 1);
      scene.hub.publishKey(sampleKey(index + 1, build.target));
      await scene.hub.untilStep('COMMITTED', index + 1);
    }
    await eventually('three packs', async () => (await readdir(join(scene.data, 'packs'))).length === 3);
    const slots = (await readdir(join(scene.project, 'slots'))).filter((name) => !name.includes('manifest'));
    expect(slots.map((name) => name.slice(0, 2)).sort()).toEqual(['c3', 'd4', 'e5']);
  });

  it('unpacks a build without a program, and checks it in its slot', async () => {
    const tool = await scene.build('a1', 1, '', {
      command: null,
      health: { type: 'command', command: 'grep -q a1 version.txt', timeoutMs: 1_000 },
    });
    await scene.start();
    scene.hub.publishKey(sampleKey(1, tool.target));
    await scene.hub.untilStep('COMMITTED', 1);
    expect(await scene.starts()).toEqual([]);
  });

  it('starts an exited program again and says so', async () => {
    const one = await scene.build('a1', 1);
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    process.kill(await scene.programPid(), 'SIGKILL');
    await eventually('a second start', async () => (await scene.starts()).length === 2);
    await scene.hub.until('a word of it', ({ reports }) =>
      reports.some((r) => r.detail.includes('was ended by SIGKILL')),
    );
    expect(scene.hub.reports.at(-1)?.step).toBe('COMMITTED');
  });

  it('leaves the program running when it stops, and adopts it when it comes back', async () => {
    const one = await scene.build('a1', 1);
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const pid = await scene.programPid();
    await scene.stopAgent();
    expect(scene.swarm.closed).toBe(true);
    expect(startOf(pid)).toBeDefined();
    const said = scene.hub.reports.length;
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1, said);
    expect(await scene.programPid()).toBe(pid);
    expect(await scene.starts()).toHaveLength(1);
    // It is supervised like one of its own.
    process.kill(pid, 'SIGKILL');
    await eventually('a second start', async () => (await scene.starts()).length === 2);
  });

  it('keeps its reports until they are accepted, over restarts and lost connections', async () => {
    const one = await scene.build('a1', 1);
    scene.hub.acceptsReports = false;
    await scene.start();
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    await scene.stopAgent();
    const first = scene.hub.reports.splice(0);
    scene.hub.acceptsReports = true;
    await scene.start();
    await scene.hub.until('all reports anew', ({ reports }) =>
      first.every(({ sequence }) => reports.some((r) => r.sequence === sequence)),
    );
    scene.hub.drop();
    await scene.hub.until('a third hello', ({ frames }) => frames.filter(({ type }) => type === 'hello').length === 3);
    await eventually('an empty outbox', async () => {
      const lines = (await readFile(join(scene.data, 'outbox.jsonl'), 'utf8')).trim().split('\n');
      return lines.length === 1;
    });
    const sequences = scene.hub.reports.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  });

  it('proves itself anew to a hub that was started anew', async () => {
    await scene.start();
    await scene.hub.until('a hello', ({ frames }) => frames.length === 1);
    scene.hub.sessions.clear();
    scene.hub.drop();
    await scene.hub.until('another hello', ({ frames }) => frames.length === 2);
    expect(scene.hub.posts.get('/enrol')).toBe(1);
  });

  it('keeps its program running when it is shut out, and says so', async () => {
    const one = await scene.build('a1', 1);
    let said = '';
    await scene.start({ log: pino({ level: 'error' }, { write: (line: string) => (said += line) }) });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const pid = await scene.programPid();
    scene.hub.revoked.add('m1');
    scene.hub.sessions.clear();
    scene.hub.drop();
    await eventually('word of it', () => said.includes('what runs here goes on running'));
    expect(said).toContain('it was revoked');
    expect(startOf(pid)).toBeDefined();
    // It is still supervised.
    process.kill(pid, 'SIGKILL');
    await eventually('a second start', async () => (await scene.starts()).length === 2);
  });

  it('runs what it ran, without an identity or a token', async () => {
    await scene.start({ configChange: { tokenFile: undefined } });
    expect(scene.hub.frames).toEqual([]);
    await scene.stopAgent();
    await scene.start();
    await scene.hub.until('a hello', ({ frames }) => frames.length === 1);
  });

  it('refuses a data folder that another agent has', async () => {
    await scene.start();
    await expect(scene.start()).rejects.toThrow('is in use by the agent with pid');
  });
});
