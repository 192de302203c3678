import type { WeeklyWindow } from '@starling/shared/freezes.ts';

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

const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const formats = new Map<string, Intl.DateTimeFormat>();

/** The weekday and the minute of the day that clocks in a time zone show. */
function localTime(timeZone: string, atMs: number): { day: number; minute: number } {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  const day = days.indexOf(parts.weekday!.toLowerCase() as (typeof days)[number]);
  return { day, minute: Number(parts.hour) * 60 + Number(parts.minute) };
}

const minuteOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** Over midnight the hours after it belong to the day on which the window began. */
function isWithin({ days: named, from, to, timeZone }: WeeklyWindow, atMs: number): boolean {
  const { day, minute } = localTime(timeZone, atMs);
  const [begin, end] = [minuteOf(from), minuteOf(to)];
  const isNamed = (which: number) => named.includes(days[(which + 7) % 7]!);
  if (begin < end) return isNamed(day) && minute >= begin && minute < end;
  return (isNamed(day) && minute >= begin) || (isNamed(day - 1) && minute < end);
}
