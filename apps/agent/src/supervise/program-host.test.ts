import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { groupIsAlive } from '@starling/host/process-group.ts';
import { startOf } from '@starling/host/process-mark.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainRun } from '../testing/sample-build.ts';
import { eventually } from '../testing/scene.ts';
import { Launches } from './launch.ts';
import { ProgramHost } from './program-host.ts';

const target = { build: 'hello@0123456789ab', manifestDigest: 'a'.repeat(64), deployment: 4 };
const never = new AbortController().signal;
let folder: string;
let slot: string;
const hosts: ProgramHost[] = [];

function host(): ProgramHost {
  const made = new ProgramHost({
    project: 'hello',
    projectFolder: folder,
    environment: { PATH: '/usr/local/bin:/usr/bin:/bin', STARLING_MACHINE: 'm1', STARLING_REGION: 'eu' },
    clock: systemClock,
  });
  hosts.push(made);
  return made;
}
const run = (command: string) => ({ ...plainRun, command });
const outcome = async (name: string) => {
  await eventually(name, async () => (await readFile(join(slot, name), 'utf8').catch(() => '')).endsWith('\n'));
  return (await readFile(join(slot, name), 'utf8')).trim();
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-programs-'));
  slot = join(folder, 'slot');
  await mkdir(slot);
});
afterEach(async () => {
  for (const made of hosts.splice(0)) await made.stop(0, never);
  await rm(folder, { recursive: true, force: true });
});

describe('a program', () => {
  it('runs in its slot with its own environment, a port that is kept, and nothing of the agent', async () => {
    const programs = host();
    const spec = {
      ...run('env > seen; echo done > flag; exec sleep 600'),
      port: 'auto' as const,
      environment: { COLOR: 'blue' },
    };
    const program = await programs.launch(target, spec, slot, 'update');
    await outcome('flag');
    const seen = (await readFile(join(slot, 'seen'), 'utf8')).split('\n');
    for (const line of [
      'COLOR=blue',
      `PORT=${program.record.port}`,
      'STARLING_PROJECT=hello',
      `STARLING_BUILD=${target.build}`,
      'STARLING_MACHINE=m1',
      'STARLING_REGION=eu',
    ])
      expect(seen).toContain(line);
    expect(seen.some((line) => line.startsWith('VITEST'))).toBe(false);
    await programs.stop(1_000, never);
    expect((await programs.launch(target, spec, slot, 'restart')).record.port).toBe(program.record.port);
  });

  it('is adopted by another agent and not started twice; its exit is seen', async () => {
    const program = await host().launch(target, run('exec sleep 600'), slot, 'update');
    const later = host();
    const adopted = await later.running();
    expect(adopted?.record).toEqual(program.record);
    await expect(later.launch(target, run('true'), slot, 'update')).rejects.toThrow('already runs');
    process.kill(program.record.process.pid, 'SIGKILL');
    expect(await adopted?.untilExit(never)).toEqual({ text: 'is gone' });
  });

  it('is not taken for another process that got its pid', async () => {
    const program = await host().launch(target, run('exec sleep 600'), slot, 'update');
    const path = join(folder, 'program.json');
    const record = JSON.parse(await readFile(path, 'utf8'));
    record.process = { pid: process.pid, identity: program.record.process.identity };
    await writeFile(path, JSON.stringify(record));
    const later = host();
    expect(await later.running()).toBeUndefined();
    // Stopping it must not touch that process, which is this one.
    await later.stop(0, never);
  });

  it('ends with its whole process group, by SIGKILL when SIGTERM does not do', async () => {
    const programs = host();
    const script =
      "trap '' TERM; sh -c \"trap '' TERM; echo up > child; while :; do sleep 1; done\" & while :; do sleep 1; done";
    const program = await programs.launch(target, run(script), slot, 'update');
    await outcome('child');
    await programs.stop(100, never);
    expect(startOf(program.record.process.pid)).toBeUndefined();
    expect(groupIsAlive(program.record.process.pid)).toBe(false);
  });

  it('tells how it ended and what it said last, of this run only', async () => {
    const programs = host();
    const first = await programs.launch(target, run('echo first; exit 0'), slot, 'update');
    expect(await first.untilExit(never)).toEqual({ text: 'exited with code 0' });
    const killed = await programs.launch(target, run('sh -c "kill -9 \\$\\$"; exit $?'), slot, 'update');
    expect(await killed.untilExit(never)).toEqual({ text: 'exited with code 137, which shells say of SIGKILL' });
    const lines = 'i=0; while [ $i -lt 50 ]; do echo "line $i"; i=$((i+1)); done; exit 3';
    const second = await programs.launch(target, run(lines), slot, 'update');
    expect(await second.untilExit(never)).toEqual({ text: 'exited with code 3' });
    const tail = (await programs.log.tail(second.record.logStart)).split('\n');
    expect(tail).toHaveLength(20);
    expect(tail.at(-1)).toBe('line 49');
    expect(await programs.log.tail(first.record.logStart)).not.toContain('first');
  });

  it('that writes for ever has a log that stays small, with what was there before beside it', async () => {
    const programs = host();
    const script = 'echo begin; until test -e go; do sleep 0.05; done; echo end; sleep 600';
    const program = await programs.launch(target, run(script), slot, 'update');
    await eventually('its first line', async () => (await programs.log.tail(program.record.logStart)) === 'begin');
    await appendFile(programs.log.path, 'x'.repeat(10 * 1024 * 1024));
    expect(await programs.log.cutIfLarge()).toBe(true);
    expect((await stat(programs.log.path)).size).toBe(0);
    expect((await stat(`${programs.log.path}.1`)).size).toBeGreaterThan(10 * 1024 * 1024);
    await writeFile(join(slot, 'go'), '');
    // It goes on at the file's new end.
    await eventually('its next line', async () => (await programs.log.tail(program.record.logStart)) === 'end');
    expect(await programs.log.cutIfLarge()).toBe(false);
  });

  it('says so when it cannot be started', async () => {
    await expect(host().launch(target, run('true'), join(folder, 'no-slot'), 'update')).rejects.toThrow(
      'could not be started',
    );
  });
});

describe('a launch that the agent did not survive', () => {
  const launch = (command: string) => ({
    command,
    folder: slot,
    environment: { PATH: '/usr/bin:/bin' },
    become: 'exec /bin/sh -c "$2"',
    logFd: 1,
  });
  const writeRecord = (name: string) =>
    writeFile(
      join(folder, 'program.json'),
      JSON.stringify({
        launch: name,
        build: target.build,
        deployment: 4,
        reason: 'update',
        port: null,
        logStart: 0,
        process: null,
      }),
    );

  it('is found again when the process had begun', async () => {
    const launches = new Launches(folder);
    const name = await launches.permit();
    await writeRecord(name);
    const child = await launches.start(name, launch('echo up > flag; exec sleep 600'));
    await outcome('flag');
    expect((await host().running())?.record.process.pid).toBe(child.pid);
  });

  it('never begins later when the process had not come that far', async () => {
    const launches = new Launches(folder);
    const name = await launches.permit();
    await writeRecord(name);
    expect(await host().running()).toBeUndefined();
    const child = await launches.start(name, launch('echo up > flag'));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).not.toBe(0);
    await expect(readFile(join(slot, 'flag'))).rejects.toThrow('ENOENT');
  });
});
