import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentConfig } from './config.ts';
import { SystemdStarter } from './supervise/systemd-starter.ts';
import { unitText } from './supervise/systemd-unit.ts';
import { forAll, longWatched, plainRun, sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

// There is no systemd where these run: a strict stand-in of systemctl takes its place. That a real one reads the units in the
// same way is NOT tested here.

describe('a unit', () => {
  it('means what the build says, whatever characters are in it', () => {
    const text = unitText({
      project: 'hello',
      build: 'hello@0123456789ab',
      command: 'exec ./run "$PORT" 100% \\\nnext',
      folder: '/data/50%/slot',
      environment: { A: 'say "hi" $HOME 5%', PORT: '80' },
      logPath: '/data/program.log',
      run: {
        ...plainRun,
        stopGraceMs: 90_000,
        user: 'app',
        limits: { memoryBytes: 1024, openFiles: 64, processes: 9 },
      },
    });
    expect(text).toBe(`[Unit]
Description=Starling: hello, hello@0123456789ab

[Service]
Type=exec
Restart=no
KillMode=mixed
TimeoutStopSec=90000ms
WorkingDirectory=/data/50%%/slot
Environment="A=say \\"hi\\" $HOME 5%%"
Environment="PORT=80"
ExecStart=/bin/sh -c "exec ./run \\"$$PORT\\" 100%% \\\\\\nnext"
StandardInput=null
StandardOutput=append:/data/program.log
StandardError=append:/data/program.log
User=app
MemoryMax=1024
LimitNOFILE=64
TasksMax=9
`);
  });
});

it('a unit that the kernel ended for its memory is told so, with its limit', async () => {
  const systemctl: [string, ...string[]] = ['/bin/echo', 'Result=oom-kill\nExecMainCode=2\nExecMainStatus=9\n'];
  const starter = new SystemdStarter({ project: 'hello', unitsFolder: '/nowhere', systemctl });
  expect(await starter.howItEnded({ memoryBytes: 64 * 2 ** 20 })).toEqual({
    text: 'was ended for using more memory than its limit of 64.0 MiB',
  });
  expect(await starter.howItEnded(undefined)).toEqual({ text: 'was ended for using more memory than there is' });
});

describe('with STARLING_RUNNER=systemd, an agent', { timeout: 30_000 }, () => {
  let scene: Scene;
  let configChange: Partial<AgentConfig>;
  let units: string;
  beforeEach(async () => {
    scene = await Scene.open();
    units = join(scene.folder, 'units');
    const standIn = join(import.meta.dirname, 'testing', 'systemctl-stand-in.ts');
    const systemctl: [string, ...string[]] = [process.execPath, standIn, units, join(scene.folder, 'systemctl')];
    configChange = { runner: { type: 'systemd', unitsFolder: units, systemctl } };
  });
  afterEach(async () => {
    await scene.agent?.stop();
    scene.agent = undefined;
    await scene.start({ configChange: { ...configChange, programsOnStop: 'stop' } });
    await scene.close();
  });

  it('starts, exchanges and retires a unit', async () => {
    const [one, two] = [
      await scene.build('a1', 1, 'echo "$STARLING_MACHINE says \\"hi\\""; exec sleep 600'),
      await scene.build('b2', 2),
    ];
    await scene.start({ configChange });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const pid = await scene.programPid();
    expect(startOf(pid)).toBeDefined();
    expect(await readFile(join(units, 'starling-hello.service'), 'utf8')).toContain('Type=exec');
    expect(await readFile(join(scene.project, 'logs', 'program.log'), 'utf8')).toContain('m1 says "hi"');
    scene.hub.publishKey(sampleKey(2, two.target));
    await scene.hub.untilStep('COMMITTED', 2);
    expect(startOf(pid)).toBeUndefined();
    expect(await scene.currentVersion()).toBe('b2');
    scene.hub.publishKey(sampleKey(3, null));
    await scene.hub.until('IDLE', ({ reports }) => reports.at(-1)?.step === 'IDLE');
    expect(await readdir(units)).toEqual([]);
  });

  it('finds the unit again when it was started anew, and goes back with the exit code when a build fails', async () => {
    const one = await scene.build('a1', 1);
    await scene.start({ configChange });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    const pid = await scene.programPid();
    await scene.stopAgent();
    expect(startOf(pid)).toBeDefined();
    await scene.start({ configChange });
    const bad = await scene.build('b2', 2, 'echo "no database"; sleep 1; exit 3', longWatched);
    scene.hub.publishKey(sampleKey(2, one.target, { candidate: forAll(bad.target) }));
    const failed = await scene.hub.untilStep('FAILED', 2);
    expect(failed.detail).toContain('exited with code 3');
    expect(failed.detail).toContain('no database');
    expect(await scene.starts()).toEqual([one.target.build, bad.target.build, one.target.build]);
  });

  it('starts the program again when it was killed', async () => {
    const one = await scene.build('a1', 1);
    await scene.start({ configChange });
    scene.hub.publishKey(sampleKey(1, one.target));
    await scene.hub.untilStep('COMMITTED', 1);
    process.kill(await scene.programPid(), 'SIGKILL');
    await eventually('it is started again', async () => (await scene.starts()).length === 2);
    expect(existsSync(join(units, 'starling-hello.service'))).toBe(true);
  });
});

console.warn('systemd.test.ts: SKIPPED against a real systemd; only its stand-in was asked');
