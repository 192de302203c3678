import type { WeeklyWindow } from '@starling/shared/freezes.ts';
import { isWithin } from '@starling/shared/weekly-hours.ts';

export interface Freeze {
  id: number;
  project: string | null;
  reason: string;
  startsAt: Date;
  endsAt: Date | null;
  weekly: WeeklyWindow | null;
}

const minuteMs = 60_000;
const longestLookMs = 8 * 86_400_000;

/** Whether nothing may be deployed at `nowMs` because of it. */
export function freezes({ startsAt, endsAt, weekly }: Freeze, nowMs: number): boolean {
  if (nowMs < startsAt.getTime() || (endsAt !== null && nowMs >= endsAt.getTime())) return false;
  return weekly === null || isWithin(weekly, nowMs);
}

/**
 * When a freeze that holds at `nowMs` lets go, to the minute; null when only a person ends it. Found by trying minute
 * after minute, so that a change of clocks in between needs no thought.
 */
export function thawsAt(freeze: Freeze, nowMs: number): Date | null {
  const { endsAt, weekly } = freeze;
  if (weekly !== null) {
    const first = Math.floor(nowMs / minuteMs) * minuteMs + minuteMs;
    for (let at = first; at < nowMs + longestLookMs; at += minuteMs) if (!freezes(freeze, at)) return new Date(at);
  }
  return endsAt;
}
