import { z } from 'zod';

const unitMilliseconds = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Parses `250ms`, `10s`, `15m`, `2h` or `7d` to milliseconds; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) return undefined;
  return Math.round(Number(match[1]) * unitMilliseconds[match[2] as keyof typeof unitMilliseconds]);
}

/** A duration such as `10s` or `15m` between two bounds (in milliseconds), read to milliseconds. */
export function durationBetween(minimum: number, maximum: number) {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const milliseconds = typeof value === 'number' ? undefined : parseDuration(value);
    if (milliseconds === undefined) {
      context.addIssue({
        code: 'custom',
        message: `expected a duration such as "10s" or "15m", found ${JSON.stringify(value)}`,
      });
      return z.NEVER;
    }
    if (milliseconds < minimum || milliseconds > maximum) {
      context.addIssue({
        code: 'custom',
        message: `must be between ${formatDuration(minimum)} and ${formatDuration(maximum)}, found ${value}`,
      });
      return z.NEVER;
    }
    return milliseconds;
  });
}

/** `340 ms`, `4.2 s`, `3 m 10 s`, `2 h 5 m`, `3 d 4 h`: two units at most. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 10_000) return `${(milliseconds / 1_000).toFixed(1).replace(/\.0$/, '')} s`;
  const seconds = Math.round(milliseconds / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return joinUnits(Math.floor(seconds / 60), 'm', seconds % 60, 's');
  if (seconds < 86_400) return joinUnits(Math.floor(seconds / 3_600), 'h', Math.floor((seconds % 3_600) / 60), 'm');
  return joinUnits(Math.floor(seconds / 86_400), 'd', Math.floor((seconds % 86_400) / 3_600), 'h');
}

function joinUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** `812 B`, `4.0 KiB`, `1.2 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`;
}
