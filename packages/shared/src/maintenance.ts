import { z } from 'zod';
import { type WeeklyWindow, weeklyWindow } from './freezes.ts';
import { isWithin } from './weekly-hours.ts';

// When machines with certain labels may be touched. The rules are the project's settings and travel in its version keys, so
// that who may change them is known, every machine judges by the same, and a machine that cannot be reached does, too.

export const maintenanceRule = z.strictObject({
  /** Machines that have all of these. */
  labels: z
    .record(z.string().min(1).max(63), z.string().max(255))
    .refine((labels) => Object.keys(labels).length > 0, 'must name a label'),
  windows: z.array(weeklyWindow).min(1).max(20),
});
export type MaintenanceRule = z.infer<typeof maintenanceRule>;
export const maintenanceRules = z.array(maintenanceRule).max(20);

/** What a machine says that is ready and waits for its window: control counts those apart. */
export const waitsForWindow = 'ready; waits for its maintenance window';

/** The windows of a machine; none where it may be touched at any time. One that several rules are about has those of all. */
export function windowsOf(rules: readonly MaintenanceRule[], labels: Readonly<Record<string, string>>): WeeklyWindow[] {
  return rules.flatMap((rule) => {
    const isAbout = Object.entries(rule.labels).every(
      ([name, value]) => Object.hasOwn(labels, name) && labels[name] === value,
    );
    return isAbout ? rule.windows : [];
  });
}

/** Whether a machine with these windows may be touched at a moment, in milliseconds since the epoch. */
export function isOpen(windows: readonly WeeklyWindow[], atMs: number): boolean {
  return windows.length === 0 || windows.some((window) => isWithin(window, atMs));
}
