import { expect, it } from 'vitest';
import type { WeeklyWindow } from './freezes.ts';
import { isOpen, maintenanceRules, windowsOf } from './maintenance.ts';

const night: WeeklyWindow = { days: ['sat'], from: '22:00', to: '04:00', timeZone: 'Europe/Berlin' };
const noon: WeeklyWindow = { days: ['mon'], from: '12:00', to: '13:00', timeZone: 'UTC' };
const at = (text: string) => Date.parse(text);

it('a machine has the windows of every rule about it, and no rule means any time', () => {
  const rules = [
    { labels: { role: 'till' }, windows: [night] },
    { labels: { role: 'till', floor: '2' }, windows: [noon] },
  ];
  expect(windowsOf(rules, { role: 'till', floor: '1' })).toEqual([night]);
  expect(windowsOf(rules, { role: 'till', floor: '2' })).toEqual([night, noon]);
  expect(windowsOf(rules, { role: 'web' })).toEqual([]);
  expect(isOpen([], at('2026-11-20T10:00:00Z'))).toBe(true);
});

it('windows are hours of the place, over midnight too, and any of several will do', () => {
  // Saturday 21 November 2026, one hour ahead of UTC in Berlin.
  expect(isOpen([night], at('2026-11-21T20:59:00Z'))).toBe(false);
  expect(isOpen([night], at('2026-11-21T21:00:00Z'))).toBe(true);
  expect(isOpen([night], at('2026-11-22T02:59:00Z'))).toBe(true);
  expect(isOpen([night], at('2026-11-22T03:00:00Z'))).toBe(false);
  expect(isOpen([night, noon], at('2026-11-23T12:30:00Z'))).toBe(true);
});

it('a rule without a label is refused: it would be about everybody', () => {
  expect(maintenanceRules.safeParse([{ labels: {}, windows: [night] }]).success).toBe(false);
  expect(maintenanceRules.safeParse([{ labels: { role: 'till' }, windows: [] }]).success).toBe(false);
});
