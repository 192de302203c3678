import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Measured {
  stdout: string;
  /** User and system, of the process and of those it waited for. */
  cpuSeconds: number;
  /** Of the largest of these processes. */
  peakMb: number;
  seconds: number;
}

const timeoutMs = 900_000;

/** Runs a program under `time`, the same for all. Throws when it fails, with what it said. */
export async function measured(command: string, args: readonly string[], cwd: string): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-time-'));
  try {
    const report = join(folder, 'time');
    const startedAt = performance.now();
    const child = spawn('/usr/bin/time', ['-q', '-o', report, '-f', '%U %S %M', command, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (bytes) => (stdout += bytes));
    child.stderr.on('data', (bytes) => (stderr = (stderr + bytes).slice(-4_000)));
    const status = await new Promise<number | null>((resolve, reject) =>
      child.on('error', reject).on('close', resolve),
    );
    if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
    const [user = 0, system = 0, peakKb = 0] = (await readFile(report, 'utf8')).trim().split(' ').map(Number);
    const seconds = (performance.now() - startedAt) / 1_000;
    return { stdout, cpuSeconds: user + system, peakMb: Math.round(peakKb / 1024), seconds };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
