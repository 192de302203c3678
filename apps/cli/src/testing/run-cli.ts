import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

export interface CliRun {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface RunningCli {
  child: ChildProcess;
  /** What it has written so far. */
  soFar(): { stdout: string; stderr: string };
  ended: Promise<CliRun>;
}

/** Starts the real CLI off a terminal, with these variables and no others. */
export function startCli(words: readonly string[], environment: Record<string, string> = {}): RunningCli {
  const child = spawn(process.execPath, [main, ...words], {
    env: {
      HOME: '/nonexistent',
      STARLING_DATA: '/nonexistent/data',
      LANG: 'C.UTF-8',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<CliRun>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
  return { child, soFar: () => ({ stdout, stderr }), ended };
}

export function runCli(words: readonly string[], environment: Record<string, string> = {}): Promise<CliRun> {
  return startCli(words, environment).ended;
}
