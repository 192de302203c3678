import { messageOf, StarlingError } from '@starling/shared/errors.ts';

/** Why an attempt is broken off before it came to its own end: the reason of its AbortSignal. */
export class AttemptEnd extends Error {
  /** False when the attempt is no longer ours, so that there is nobody to tell. */
  readonly ours: boolean;
  readonly retry: boolean;

  constructor(message: string, { ours = true, retry }: { ours?: boolean; retry: boolean }) {
    super(message);
    this.name = 'AttemptEnd';
    this.ours = ours;
    this.retry = retry;
  }
}

export interface Verdict {
  reason: string;
  /** Whether another attempt may fare better: it was not the commit's fault. */
  retry: boolean;
}

/** What to tell the queue of what an attempt has thrown. */
export function verdictOn(thrown: unknown): Verdict {
  if (thrown instanceof AttemptEnd) return { reason: thrown.message, retry: thrown.retry };
  if (thrown instanceof StarlingError) {
    const reason = thrown.fix ? `${thrown.message}. ${thrown.fix}` : thrown.message;
    return { reason, retry: thrown.code === 'UNAVAILABLE' || thrown.code === 'INTERNAL' };
  }
  return { reason: `the worker failed: ${messageOf(thrown)}`, retry: true };
}
