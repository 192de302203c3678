import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signalGroup } from '@starling/host/process-group.ts';
import { markOf } from '@starling/host/process-mark.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endNotedGroups, openProcessBook } from './process-book.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-processes-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A group whose leader waits; resolves when the leader and its child run. */
async function startGroup() {
  const leader = spawn('/bin/sh', ['-c', 'sleep 600 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(leader.stdout, 'data');
  return { leader, exited: once(leader, 'exit'), pid: leader.pid as number, child: Number(String(line)) };
}

describe('endNotedGroups', () => {
  it('ends a group that is noted', async () => {
    const { pid, child, exited } = await startGroup();
    await openProcessBook(folder).enter(pid);
    expect(await endNotedGroups(folder)).toBe(1);
    await exited;
    while (markOf(child)) await systemClock.sleep(10);
    expect(await readdir(folder)).toEqual([]);
  });

  it('ends what is left of a group whose leader is gone', async () => {
    const { pid, child, leader, exited } = await startGroup();
    await openProcessBook(folder).enter(pid);
    leader.kill('SIGKILL');
    await exited;
    expect(markOf(child)).toBeDefined();
    expect(await endNotedGroups(folder)).toBe(1);
    while (markOf(child)) await systemClock.sleep(10);
  });

  it('leaves a group alone that was struck out, or whose id now belongs to another', async () => {
    const { pid, child } = await startGroup();
    const strikeOut = await openProcessBook(folder).enter(pid);
    const noted = JSON.parse(await readFile(join(folder, String(pid)), 'utf8')) as { started: string };
    await strikeOut();
    await writeFile(join(folder, String(pid)), JSON.stringify({ ...noted, started: `${noted.started}0` }));
    await writeFile(join(folder, '1'), '{"half');
    expect(await endNotedGroups(folder)).toBe(0);
    expect(markOf(child)).toBeDefined();
    expect(signalGroup(pid, 'SIGKILL')).toBe(true);
  });
});
