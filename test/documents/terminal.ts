import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { expect, vi } from 'vitest';

const mostMs = 240_000;

export interface Typed {
  stdout(): string;
  /** All of it, as on a terminal. */
  output(): string;
  /** Its exit code. */
  ended: Promise<number>;
  /** Waits until it has said something like this; fails when it ended without. */
  says(pattern: RegExp): Promise<void>;
  /** As Ctrl-C does. */
  interrupt(): void;
}

/** Types a line into a shell, and `answer` when it asks. It is killed after four minutes, unless it goes on in the background. */
export function typeLine(
  line: string,
  { cwd, environment, answer = '' }: { cwd: string; environment: Record<string, string>; answer?: string | undefined },
  { inBackground = false } = {},
): Typed {
  // A process group of its own, as a terminal gives it one.
  const child = spawn(isForBash(line) ? 'bash' : 'sh', ['-c', line], { cwd, env: environment, detached: true });
  let [stdout, output] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // Nothing need be asked.
  child.stdin.on('error', () => undefined).end(answer);
  let code: number | undefined;
  const kill = (signal: NodeJS.Signals) => {
    if (code === undefined) process.kill(-child.pid!, signal);
  };
  const tooLong = inBackground ? undefined : setTimeout(kill, mostMs, 'SIGKILL');
  const ended = once(child, 'close').then(([status, signal]) => {
    clearTimeout(tooLong);
    // As a shell says it of what a signal ended.
    code = (status as number | null) ?? 128 + constants.signals[signal as NodeJS.Signals];
    return code;
  });
  return {
    stdout: () => stdout,
    output: () => output,
    ended,
    says: (pattern) =>
      vi.waitFor(
        () => {
          if (code !== undefined && !pattern.test(output)) throw new Error(`${line}\nended (${code})\n${output}`);
          expect(output, line).toMatch(pattern);
        },
        { timeout: mostMs / 4, interval: 100 },
      ),
    interrupt: () => kill('SIGINT'),
  };
}

const isForBash = (line: string) => line.includes('<(');
const foreign = ['curl', 'jq', 'openssl'];

/** The programs that a line needs, that are not Starling's nor everybody's, and not here. */
export function missingFor(line: string): string[] {
  const needed = foreign.filter((program) => new RegExp(`(?<![\\w-])${program}(?![\\w-])`).test(line));
  return [...needed, ...(isForBash(line) ? ['bash'] : [])].filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  );
}
