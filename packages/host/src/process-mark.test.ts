import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isRunning, markOf } from './process-mark.ts';

describe('a process mark', () => {
  it('holds while its process runs, and not after', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const mark = markOf(child.pid as number);
    expect(mark).toBeDefined();
    expect(isRunning(mark!)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isRunning(mark!)).toBe(false);
  });

  it('is not that of another process with the same id', async () => {
    const mine = markOf(process.pid);
    expect(isRunning({ ...mine!, started: 'earlier' })).toBe(false);
  });

  it('says nothing of another host', async () => {
    const mine = markOf(process.pid);
    expect(isRunning({ ...mine!, host: 'elsewhere' })).toBeUndefined();
  });
});
