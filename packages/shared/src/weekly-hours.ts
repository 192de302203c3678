import type { WeeklyWindow } from './freezes.ts';

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

/** Whether a moment (milliseconds since the epoch) lies in a window. Over midnight the hours after it belong to the day on which the window began. */
export function isWithin({ days: named, from, to, timeZone }: WeeklyWindow, atMs: number): boolean {
  const { day, minute } = localTime(timeZone, atMs);
  const [begin, end] = [minuteOf(from), minuteOf(to)];
  const isNamed = (which: number) => named.includes(days[(which + 7) % 7]!);
  if (begin < end) return isNamed(day) && minute >= begin && minute < end;
  return (isNamed(day) && minute >= begin) || (isNamed(day - 1) && minute < end);
}
