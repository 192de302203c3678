import { z } from 'zod';
import { byteSize } from './byte-size.ts';
import { type WeeklyWindow, weeklyWindow } from './freezes.ts';
import { isWithin } from './weekly-hours.ts';

/** How many bytes a second may pass, at most; another number at some hours of the week. Null is no limit. */
export interface ByteRate {
  bytesPerSecond: number | null;
  hours: { window: WeeklyWindow; bytesPerSecond: number | null }[];
}

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const form = 'such as "20MiB" or "20MiB; mon-fri 08:00-18:00 Europe/Berlin = 5MiB"';

/**
 * `20MiB; mon-fri 08:00-18:00 Europe/Berlin = 5MiB; sat,sun 00:00-23:59 = none`: the rate of each second, and that at certain
 * hours, of which the first that holds counts. Without a time zone the hours are UTC.
 */
export const byteRate = z.string().transform((text, context): ByteRate => {
  const wrong = (part: string) => {
    context.addIssue({ code: 'custom', message: `expected a rate ${form}, found "${part.trim()}"` });
    return z.NEVER;
  };
  const [base = '', ...others] = text.split(';');
  const bytesPerSecond = rateOf(base);
  if (bytesPerSecond === undefined) return wrong(base);
  const hours: ByteRate['hours'] = [];
  for (const part of others) {
    const match = /^\s*([a-z,-]+)\s+(\d\d:\d\d)-(\d\d:\d\d)(?:\s+(\S+))?\s*=(.+)$/.exec(part);
    const [, days = '', from, to, timeZone = 'UTC', rate = ''] = match ?? [];
    const window = weeklyWindow.safeParse({ days: daysOf(days), from, to, timeZone });
    const there = rateOf(rate);
    if (!window.success || there === undefined) return wrong(part);
    hours.push({ window: window.data, bytesPerSecond: there });
  }
  return { bytesPerSecond, hours };
});

/** The rate at a moment (milliseconds since the epoch), in bytes a second; undefined without a limit. */
export function rateAt({ bytesPerSecond, hours }: ByteRate, atMs: number): number | undefined {
  const now = hours.find(({ window }) => isWithin(window, atMs));
  return (now ? now.bytesPerSecond : bytesPerSecond) ?? undefined;
}

function rateOf(text: string): number | null | undefined {
  if (text.trim() === 'none') return null;
  const parsed = byteSize.safeParse(text);
  return parsed.success && parsed.data > 0 ? parsed.data : undefined;
}

/** `mon-fri` or `sat,sun`. */
function daysOf(text: string): string[] {
  return text.split(',').flatMap((part) => {
    const [first = '', last = first] = part.split('-');
    const [begin, end] = [first, last].map((day) => dayNames.indexOf(day)) as [number, number];
    if (begin < 0 || end < 0) return [part];
    return Array.from({ length: ((end - begin + 7) % 7) + 1 }, (_, step) => dayNames[(begin + step) % 7] as string);
  });
}
