import { chmod, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import { type Hooks, lifecycleEvents } from '@starling/shared/lifecycle.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forAll, longWatched, sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

describe('hooks', { timeout: 30_000 }, () => {
  let scene: Scene;
  let marks: string;
  beforeEach(async () => {
    scene = await Scene.open();
    marks = join(scene.folder, 'hooks');
  });
  afterEach(() => scene.close());

  /** Each hook says its name, its build and where from; and what else it is given to do. */
  function hooks(more: Partial<Record<keyof Hooks, string>> = {}, timeoutMs = 10_000): Hooks {
    const say = `echo "$STARLING_LIFECYCLE_EVENT $STARLING_BUILD" >> "${marks}"`;
    return Object.fromEntries(
      lifecycleEvents.map((event) => [event, { command: `${say}; ${more[event] ?? ':'}`, timeoutMs }]),
    );
  }
  const said = async () => (await readFile(marks, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  const of = (build: string, ...events: (keyof Hooks)[]) => events.map((event) => `${event} ${build}`);

  async function commitFirst(more: Parameters<typeof hooks>[0] = {}) {
    const one = await scene.build('a1', 1, 'exec sleep 600', { hooks: hooks(more) });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    return one.target;
  }

  it('run in order, each by its own build; a slot that was kept is not installed again', async () => {
    const see = `env > "${join(scene.folder, 'seen')}"; pwd -P > "${join(scene.folder, 'where')}"`;
    const one = await commitFirst({ validateService: see });
    const start = ['beforeInstall', 'afterInstall', 'applicationStart', 'validateService'] as const;
    expect(await said()).toEqual(of(one.build, ...start));
    const { target: two } = await scene.build('b2', 2, 'exec sleep 600', { hooks: hooks({ applicationStart: see }) });
    scene.hub.publishKey(sampleKey(2, two));
    await scene.hub.untilStep('COMMITTED', 2);
    const swap = [
      ...of(two.build, 'beforeInstall', 'afterInstall'),
      ...of(one.build, 'drain', 'applicationStop'),
      ...of(two.build, 'applicationStart', 'validateService'),
    ];
    expect((await said()).slice(4)).toEqual(swap);
    const seen = (await readFile(join(scene.folder, 'seen'), 'utf8')).split('\n');
    const slot = (await readFile(join(scene.folder, 'where'), 'utf8')).trim();
    expect(await readFile(join(slot, 'version.txt'), 'utf8')).toBe('b2\n');
    for (const variable of [
      'STARLING_PROJECT=hello',
      `STARLING_BUILD=${two.build}`,
      'STARLING_DEPLOYMENT=2',
      `STARLING_PREVIOUS_BUILD=${one.build}`,
      `STARLING_NEXT_BUILD=${two.build}`,
      `STARLING_SLOT=${slot}`,
      'STARLING_LIFECYCLE_EVENT=applicationStart',
      'STARLING_LABEL_RACK=r1',
      'STARLING_MACHINE=m1',
    ])
      expect(seen).toContain(variable);
    scene.hub.publishKey(sampleKey(3, { ...one, deployment: 3 }));
    await scene.hub.untilStep('COMMITTED', 3);
    expect((await said()).slice(10)).toEqual([
      ...of(two.build, 'drain', 'applicationStop'),
      ...of(one.build, 'applicationStart', 'validateService'),
    ]);
  });

  it('that fail before the old program stops leave it running, and are tried again with the next deployment', async () => {
    const one = await commitFirst();
    const pid = await scene.programPid();
    const flag = join(scene.folder, 'ready');
    const { target } = await scene.build('b2', 2, 'exec sleep 600', {
      hooks: hooks({ afterInstall: `echo "no schema"; test -e "${flag}"` }),
    });
    scene.hub.publishKey(sampleKey(2, one, { candidate: forAll(target) }));
    const failed = await scene.hub.untilStep('FAILED', 2);
    expect(failed.detail).toBe(`afterInstall of ${target.build} exited with code 1\nIts last lines:\nno schema`);
    expect(failed.observedBuild).toBe(one.build);
    expect(await scene.programPid()).toBe(pid);
    await writeFile(flag, '');
    const again = { ...target, deployment: 3 };
    scene.hub.publishKey(sampleKey(3, one, { candidate: forAll(again) }));
    await scene.hub.untilStep('COMMITTED', 3);
    expect((await said()).filter((line) => line === `afterInstall ${target.build}`)).toHaveLength(2);
  });

  it('that fail later revert, and the build that is left runs its stop hooks', async () => {
    const one = await commitFirst();
    const before = (await said()).length;
    const { target } = await scene.build('b2', 2, 'exec sleep 600', { hooks: hooks({ validateService: 'exit 4' }) });
    scene.hub.publishKey(sampleKey(2, one, { candidate: forAll(target) }));
    const failed = await scene.hub.untilStep('FAILED', 2);
    expect(failed.detail).toContain(`validateService of ${target.build} exited with code 4`);
    expect(await scene.currentVersion()).toBe('a1');
    expect((await said()).slice(before)).toEqual([
      ...of(target.build, 'beforeInstall', 'afterInstall'),
      ...of(one.build, 'drain', 'applicationStop'),
      ...of(target.build, 'applicationStart', 'validateService', 'drain', 'applicationStop'),
      ...of(one.build, 'applicationStart', 'validateService'),
    ]);
  });

  it('that hang are ended at their time with all they started; a stop hook never keeps the next build out', async () => {
    const pids = join(scene.folder, 'pids');
    const hang = `sh -c 'trap "" TERM; echo $$ >> "${pids}"; while :; do sleep 1; done' & echo $$ >> "${pids}"; echo stuck; wait`;
    const one = await scene.build('a1', 1, 'exec sleep 600', { hooks: hooks({ drain: hang }, 400) });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    const two = await scene.build('b2', 2);
    scene.hub.publishKey(sampleKey(2, two.target));
    await scene.hub.untilStep('COMMITTED', 2);
    const told = scene.hub.reports.find(({ detail }) => detail.includes('drain'));
    expect(told).toMatchObject({ step: 'STOPPING', observedBuild: one.target.build });
    expect(told?.detail).toContain('did not end within 400 ms; it was ended\nIts last lines:\nstuck');
    const started = (await readFile(pids, 'utf8')).trim().split('\n').map(Number);
    expect(started).toHaveLength(2);
    for (const pid of started) expect(startOf(pid)).toBeUndefined();
  });

  it('take nothing with them when the machine turns to a newer build, or the agent stops', async () => {
    const pids = join(scene.folder, 'pids');
    const wait = `echo $$ >> "${pids}"; exec sleep 600`;
    const slow = await scene.build('a1', 1, 'exec sleep 600', { hooks: hooks({ afterInstall: wait }, 600_000) });
    await scene.start();
    scene.hub.publishKey(sampleKey(1, slow.target));
    const started = async () => (await readFile(pids, 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number);
    await eventually('the hook runs', async () => (await started()).length === 1);
    await scene.stopAgent();
    expect(startOf((await started())[0] as number)).toBeUndefined();
    await scene.start();
    await eventually('it runs again', async () => (await started()).length === 2);
    const next = await scene.build('b2', 2);
    scene.hub.publishKey(sampleKey(2, next.target));
    await scene.hub.untilStep('COMMITTED', 2);
    expect(startOf((await started())[1] as number)).toBeUndefined();
  });

  it('of a build without a program of its own start and stop it', async () => {
    const { target } = await scene.build('a1', 1, '', {
      command: null,
      hooks: hooks({ applicationStart: `echo up > "${join(scene.folder, 'state')}"` }),
      health: { type: 'command', command: `grep -q up "${join(scene.folder, 'state')}"`, timeoutMs: 1_000 },
    });
    scene.hub.publishKey(sampleKey(1, target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    scene.hub.publishKey(sampleKey(2, null));
    await scene.hub.until('IDLE', ({ reports }) => reports.at(-1)?.step === 'IDLE');
    expect((await said()).slice(-2)).toEqual(of(target.build, 'drain', 'applicationStop'));
  });

  it('and programs run as the user they name, or say why not', async () => {
    const { uid, username } = userInfo();
    const as = uid === 0 ? 'nobody' : username;
    const whoami = join(scene.folder, 'whoami');
    await writeFile(whoami, '');
    await chmod(whoami, 0o666);
    await chmod(scene.folder, 0o755);
    const run = {
      user: as,
      limits: { openFiles: 123 },
      command: `id -un >> "${whoami}"; ulimit -n >> "${whoami}"; exec sleep 600`,
      health: { type: 'command' as const, command: `test $(id -un) = ${as}`, timeoutMs: 2_000 },
      hooks: { applicationStart: { command: `id -un >> "${whoami}"`, timeoutMs: 5_000 } },
    };
    const { target } = await scene.build('a1', 1, '', run);
    scene.hub.publishKey(sampleKey(1, target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    await eventually('it said all', async () => (await readFile(whoami, 'utf8')).split('\n').length === 4);
    expect((await readFile(whoami, 'utf8')).trim().split('\n')).toEqual([as, as, '123']);
    const bad = await scene.build('b2', 2, 'exec sleep 600', { ...longWatched, user: 'no-such-user-here' });
    scene.hub.publishKey(sampleKey(2, target, { candidate: forAll(bad.target) }));
    const failed = await scene.hub.untilStep('FAILED', 2);
    expect(failed.detail).toMatch(/no-such-user-here/);
    expect(failed.observedBuild).toBe(target.build);
  });
});
