import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Pack } from '@starling/shared/manifest.ts';

// What the swarm benches ask of everyone who takes part: to be ready, to go, to say what the seed sent, to stop.

/** Where a member runs. */
export interface Host {
  address: string;
  /** What comes before its command line. */
  within: readonly string[];
  rack: string;
}

export const loopback: Host = { address: '127.0.0.1', within: [], rack: '' };

export interface Race {
  /** An empty folder of this race alone. */
  folder: string;
  /** The bytes that the seed has; never written. */
  seedFile: string;
  pack: Pack;
  /** Where each receiver must put them, in its own folder; the last part of the name is that of the seed's file. */
  targets: readonly string[];
  /** Of the seed and of each receiver; loopback for all when there are none. */
  hosts?: readonly Host[];
  /** The address of this process for those hosts. */
  own?: string;
}

export const hostOf = ({ hosts }: Race, member: number): Host => hosts?.[member] ?? loopback;

export interface Racers {
  /** The processes of all members that run by now. */
  pids(): number[];
  /** Begins the transfer. For each receiver: resolves when it has said that it has all bytes, verified and written. */
  go(): Promise<unknown>[];
  /** Ends a receiver as a crash would. */
  kill(receiver: number): void;
  /** Payload that the seed has sent, in bytes. */
  seedSentBytes(): Promise<number>;
  stop(): Promise<void>;
}

export interface Contestant {
  name: string;
  /** Its version, or why it cannot take part. */
  version(): Promise<{ version: string } | { missing: string }>;
  /** Resolves when the seed has its bytes and every receiver that can wait is waiting. */
  start(race: Race): Promise<Racers>;
}

const lineTimeoutMs = 300_000;

/** A child that speaks in lines; what it says on stderr is passed on. */
export class LineProcess {
  readonly child: ChildProcess;
  readonly #lines: string[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(host: Host, commandLine: readonly string[]) {
    const [command = '', ...args] = [...host.within, ...commandLine];
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const wake = () => this.#wake?.();
    this.child.once('error', () => {
      this.#ended = true;
      wake();
    });
    this.child.once('exit', () => {
      this.#ended = true;
      wake();
    });
    if (!this.child.stdout) throw new Error(`${command} has no output`);
    createInterface(this.child.stdout).on('line', (line) => {
      this.#lines.push(line);
      wake();
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  say(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** The rest of the next line that begins with `word`. */
  async expect(word: string): Promise<string> {
    const deadline = Date.now() + lineTimeoutMs;
    for (;;) {
      const line = this.#lines.shift();
      if (line?.startsWith(word)) return line.slice(word.length).trim();
      if (line !== undefined) continue;
      if (this.#ended || Date.now() > deadline) throw new Error(`${this.child.spawnfile} ended before "${word}"`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }
}

export interface Usage {
  cpuSeconds: number;
  /** The largest of them. */
  peakMb: number;
}

/** What processes have used until now, as the kernel counts it. */
export async function usageOf(pids: readonly number[]): Promise<Usage> {
  let ticks = 0;
  let peakKb = 0;
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  }
  return { cpuSeconds: ticks / 100, peakMb: Math.round(peakKb / 1024) };
}
