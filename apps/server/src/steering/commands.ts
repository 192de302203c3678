import type { RolloutPlan } from '@starling/shared/rollout-plan.ts';
import type { DeploymentKind, DeploymentStatus } from '@starling/shared/words.ts';

// What people tell a deployment on its way: pure functions of its row. They only write down what is wanted; the rollout
// controller acts on it. Each may be said in every state, and said twice changes nothing more.

/** What of a deployment's row the commands go by. */
export interface Steered {
  kind: DeploymentKind;
  status: DeploymentStatus;
  plan: RolloutPlan | null;
  wave: number;
  pausedAt: Date | null;
  pausedBy: string | null;
  pauseReason: string | null;
  promotedTo: number;
}

export interface Intent {
  /** What to write; null when nothing changes. */
  change: {
    pausedAt?: Date | null;
    pausedBy?: string | null;
    pauseReason?: string | null;
    resumedAt?: Date;
    toleratedFailures?: number;
    promotedTo?: number;
  } | null;
  /** Whether it is now as was asked for, whoever brought it about. */
  done: boolean;
  /** In a sentence without a full stop. */
  answer: string;
}

const nothing = (answer: string, done = false): Intent => ({ change: null, done, answer });

/** Why nothing can be steered any more, or yet; undefined when it runs. */
function notRunning({ status }: Steered): Intent | undefined {
  if (status === 'RUNNING') return undefined;
  return nothing(status === 'WAITING' ? 'it has not begun: abort it if it is not wanted' : `it is ${status} already`);
}

/** Lets no wave begin, nothing be decided and no machine go over to it until it is resumed; those that have begun go on. */
export function pause(row: Steered, by: string, reason: string, now: Date): Intent {
  const over = notRunning(row);
  if (over) return over;
  if (row.kind === 'ROLLBACK') return nothing('a rollback goes to every machine at once: there is nothing to pause');
  if (row.pausedAt !== null) return nothing(`it is paused already, by ${row.pausedBy}`, true);
  return { change: { pausedAt: now, pausedBy: by, pauseReason: reason }, done: true, answer: 'it is paused' };
}

/** @param failedNow how many machines have failed so far: after a halt these do not halt it again */
export function resume(row: Steered, failedNow: number, now: Date): Intent {
  const over = notRunning(row);
  if (over) return over;
  if (row.pausedAt === null) return nothing('it is not paused', true);
  const wasHalted = row.pausedBy === 'starling';
  return {
    change: {
      pausedAt: null,
      pausedBy: null,
      pauseReason: null,
      resumedAt: now,
      ...(wasHalted && { toleratedFailures: failedNow }),
    },
    done: true,
    answer: wasHalted && failedNow > 0 ? `it goes on, and counts ${failedNow} failed machines no more` : 'it goes on',
  };
}

/** @param seen the wave that whoever asks saw it in; undefined for the one it is in */
export function promote(row: Steered, seen: number | undefined): Intent {
  const over = notRunning(row);
  if (over) return over;
  const waves = row.plan?.waves.length ?? 1;
  if (seen !== undefined && row.wave > seen) return nothing(`wave ${row.wave} of ${waves} has begun already`, true);
  if (row.wave >= waves) return nothing('its last wave has begun: there is none after it', true);
  if (row.pausedAt !== null) return nothing(`it is paused by ${row.pausedBy}: resume it first`);
  const to = row.wave + 1;
  if (row.promotedTo >= to) return nothing(`it was promoted to wave ${to} already`, true);
  return { change: { promotedTo: to }, done: true, answer: `wave ${to} of ${waves} begins now` };
}
