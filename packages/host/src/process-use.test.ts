import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { signalGroup } from './process-group.ts';
import { sharedMemoryOf, useOf } from './process-use.ts';

const mib = 1024 * 1024;
const started: ChildProcess[] = [];
afterEach(() => {
  for (const { pid } of started.splice(0)) {
    for (const other of useOf(pid!)?.pids ?? []) process.kill(other, 'SIGKILL');
    signalGroup(pid!, 'SIGKILL');
  }
});

/** The leader of a session of its own, once it has said something. */
async function leader(program: string, ...programArguments: string[]): Promise<number> {
  const child = spawn(program, programArguments, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  await once(child.stdout, 'data');
  return child.pid!;
}

describe('what a program uses', () => {
  it('is what all of it uses: children, what they left behind, and who began a session of their own', async () => {
    const pid = await leader('/bin/sh', '-c', '(sleep 60 &); setsid sleep 60 & sleep 60 & sleep 60 & echo up; wait');
    const use = useOf(pid)!;
    expect(use.pids).toContain(pid);
    expect(use.tasks).toBe(5);
    expect(use.memoryBytes).toBeGreaterThan(0);
  });

  it('counts what was allocated, and its threads, not what was only reserved', async () => {
    const pid = await leader(
      process.execPath,
      '-e',
      'global.kept = Buffer.alloc(200 * 2 ** 20, 1); console.log("up"); setInterval(() => {}, 1e6)',
    );
    const use = useOf(pid)!;
    expect(use.memoryBytes).toBeGreaterThan(200 * mib);
    expect(use.memoryBytes).toBeLessThan(400 * mib);
    expect(use.tasks).toBeGreaterThan(1);
  });

  it('counts memory that a process shares with those it forked once', async () => {
    // A command after `sleep`, or the shell would become it and let go of what it shares.
    const forking = 'x=$(head -c 40000000 /dev/zero | tr "\\0" x); (sleep 60; :) & (sleep 60; :) & echo up; wait';
    const pid = await leader('/bin/bash', '-c', forking);
    // A `sleep` that is being started shares it too, until it is one.
    await vi.waitFor(() => {
      const use = useOf(pid)!;
      expect(sharedMemoryOf(use)).toBeGreaterThan(35 * mib);
      expect(sharedMemoryOf(use)).toBeLessThan(use.memoryBytes * 0.75);
    });
  });

  it('is nothing once it is gone', async () => {
    const pid = await leader('/bin/sh', '-c', 'echo up; exec sleep 60');
    const gone = once(started.at(-1)!, 'exit');
    process.kill(pid, 'SIGKILL');
    await gone;
    expect(useOf(pid)).toEqual({ pids: [], memoryBytes: 0, tasks: 0 });
  });
});
