import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { promisify } from 'node:util';
import { signalGroup } from '@starling/host/process-group.ts';
import type { Clock } from '@starling/shared/clock.ts';
import type { ProcessBook } from './process-book.ts';

export interface CommandRun {
  /** Run with `sh -c`. */
  command: string;
  /** Where it runs. */
  folder: string;
  /** A folder outside of that for what the run itself needs. */
  scratch: string;
  /** All that it finds in its environment. */
  environment: Record<string, string>;
  timeoutMs: number;
  /** How long it has to end by itself after SIGTERM, in milliseconds. */
  graceMs: number;
  /** Output and error output in the order they were written; the command waits while this is pending. */
  onOutput: (text: string) => Promise<void>;
  /** Ends the command. */
  signal: AbortSignal;
  clock: Clock;
  processes: ProcessBook;
}

export interface CommandEnd {
  /** Null when it was ended by a signal. */
  exitCode: number | null;
  endedBy: NodeJS.Signals | null;
  timedOut: boolean;
  /** Whether processes that it had started were still running when it ended; they are gone now. */
  leftProcesses: boolean;
  /** The last lines of its output, at most three. */
  lastLines: string[];
}

const keptTailChars = 2_000;
const drainMs = 2_000;

// The shell waits until it is told to go: by then its group is noted, so that a worker killed at any moment leaves
// no command that nobody knows of. Told nothing, because its worker is gone, it ends.
const gate = 'read -r go || exit 125; exec </dev/null; exec /bin/sh -c "$1"';

/**
 * Runs a command in a process group of its own and returns when the whole group has ended, whatever the reason:
 * its end, its time being over, or the signal (which then is not thrown: the caller knows).
 */
export async function runCommand(run: CommandRun): Promise<CommandEnd> {
  const output = await openOutput(run.scratch);
  const child = spawn('/bin/sh', ['-c', gate, 'command', run.command], {
    cwd: run.folder,
    env: run.environment,
    detached: true,
    stdio: ['pipe', output.writeEnd, output.writeEnd],
  });
  const exited = new Promise<{ code: number | null; by: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, by) => resolve({ code, by }));
  });
  const tail = { text: '' };
  // Only the command and what it starts hold the write end now, so that it closes with the last of them.
  closeSync(output.writeEnd);
  const drained = drain(output.readEnd, run.onOutput, tail);
  try {
    await Promise.race([once(child, 'spawn'), exited]);
    const leader = child.pid as number;
    const strikeOut = await run.processes.enter(leader);
    child.stdin?.on('error', () => {}); // It may be gone already.
    child.stdin?.end('go\n');

    const over = new AbortController();
    let timedOut = false;
    const late = run.clock.sleep(run.timeoutMs, over.signal).then(() => {
      timedOut = !over.signal.aborted;
    });
    const watches = [
      endWhen(late, leader, run, over.signal),
      endWhen(aborted(run.signal, over.signal), leader, run, over.signal),
    ];
    const { code, by } = await exited;
    over.abort();
    await Promise.all(watches);
    // The group goes as a whole: what was left in the background would go on changing files.
    const leftProcesses = signalGroup(leader, 'SIGKILL');
    await Promise.race([drained, run.clock.sleep(drainMs)]);
    await strikeOut();
    const lastLines = tail.text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
    return { exitCode: code, endedBy: by, timedOut, leftProcesses, lastLines: lastLines.slice(-3) };
  } finally {
    output.readEnd.destroy();
  }
}

async function endWhen(reason: Promise<void>, leader: number, run: CommandRun, over: AbortSignal): Promise<void> {
  await reason;
  if (over.aborted) return;
  signalGroup(leader, 'SIGTERM');
  await run.clock.sleep(run.graceMs, over);
  if (!over.aborted) signalGroup(leader, 'SIGKILL');
}

function aborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || over.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    over.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * A named pipe for standard output and error together, so that their order is kept. Node's own pipes are sockets, and
 * `echo … > /dev/stderr`, which many recipes do, fails on a socket.
 */
async function openOutput(scratch: string) {
  const path = join(scratch, 'output');
  await promisify(execFile)('mkfifo', ['-m', '600', path]);
  // Opened without waiting for a writer; and since there is one before anyone reads, no early end is seen.
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  await rm(path);
  return { readEnd: new Socket({ fd: readFd, readable: true, writable: false }), writeEnd };
}

async function drain(readEnd: Socket, onOutput: CommandRun['onOutput'], tail: { text: string }): Promise<void> {
  const decoder = new StringDecoder('utf8');
  const pass = async (text: string) => {
    if (text === '') return;
    tail.text = (tail.text + text).slice(-keptTailChars);
    await onOutput(text);
  };
  try {
    for await (const chunk of readEnd as AsyncIterable<Buffer>) await pass(decoder.write(chunk));
    await pass(decoder.end());
  } catch {
    // Destroyed: a process that escaped its group still holds the pipe, and nobody listens any more.
  }
}
