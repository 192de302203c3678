import { formatDuration } from '@starling/shared/durations.ts';
import type { DeploymentStatus, JobStatus, MachineStep, ReplicaStatus, TaskStatus } from '@starling/shared/words.ts';
import type { Paint, Tone } from './terminal.ts';

export type StatusWord = JobStatus | ReplicaStatus | DeploymentStatus | MachineStep | TaskStatus;

export const symbols = {
  good: ['✔', '+'],
  bad: ['✖', 'x'],
  busy: ['●', '*'],
  waiting: ['○', 'o'],
  stopped: ['⊘', '-'],
  warn: ['▲', '!'],
  arrow: ['→', '>'],
} as const;
export type SymbolName = keyof typeof symbols;

export function symbol(name: SymbolName, unicode: boolean): string {
  return symbols[name][unicode ? 0 : 1];
}

/** How much a status matters to who reads it. */
export function symbolOf(status: StatusWord): SymbolName {
  switch (status) {
    case 'SUCCEEDED':
    case 'REPLICATED':
    case 'COMMITTED':
      return 'good';
    case 'FAILED':
      return 'bad';
    case 'QUEUED':
    case 'PENDING':
    case 'IDLE':
      return 'waiting';
    case 'CANCELLED':
    case 'ABORTED':
    case 'SUPERSEDED':
    case 'SKIPPED':
      return 'stopped';
    default:
      return 'busy';
  }
}

const toneOf: Record<SymbolName, Tone> = {
  good: 'good',
  bad: 'bad',
  busy: 'busy',
  waiting: 'quiet',
  stopped: 'quiet',
  warn: 'warn',
  arrow: 'quiet',
};

export interface Ink {
  paint: Paint;
  unicode: boolean;
}

/** A symbol and words; the words alone say it all, for those who see neither colour nor symbol. */
export function marked(name: SymbolName, words: string, { paint, unicode }: Ink): string {
  return paint(toneOf[name], `${symbol(name, unicode)} ${words}`);
}

export function statusText(status: StatusWord, ink: Ink): string {
  return marked(symbolOf(status), status, ink);
}

/** `just now`, `40 s ago`, `3 m ago`, `2 h ago`, `5 d ago`: the largest unit alone. */
export function timeAgo(then: string | Date | number, nowMs: number): string {
  const elapsedMs = nowMs - new Date(then).getTime();
  if (elapsedMs < 1_000) return 'just now';
  return `${largestUnit(elapsedMs)} ago`;
}

function largestUnit(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** How long something took, or takes so far; empty before it began. */
export function tookText(from: string | null, until: string | null, nowMs: number): string {
  if (!from) return '';
  return formatDuration(Math.max(0, (until ? new Date(until).getTime() : nowMs) - new Date(from).getTime()));
}

export function shortSha(sha: string): string {
  return sha.slice(0, 12);
}

/** `1 machine`, `12 machines`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Whole percent, rounded down: only what is complete shows 100 %. */
export function percent(done: number, total: number): string {
  return `${total > 0 ? Math.min(100, Math.floor((done / total) * 100)) : 0} %`;
}

/** `gpu=a100,os=linux`; empty for none. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(',');
}
