import { deploymentStatuses, jobStatuses, machineSteps, replicaStatuses } from '@starling/shared/words.ts';
import { expect, test } from 'vitest';
import { oneLine, plainPaint } from './terminal.ts';
import { percent, statusText, timeAgo } from './wording.ts';

const now = Date.UTC(2026, 0, 1);

test.each([
  [500, 'just now'],
  [-5_000, 'just now'],
  [40_000, '40 s ago'],
  [3 * 60_000 + 50_000, '3 m ago'],
  [2 * 3_600_000, '2 h ago'],
  [5 * 86_400_000, '5 d ago'],
])('%i ms before is %s', (elapsed, text) => {
  expect(timeAgo(now - elapsed, now)).toBe(text);
});

test('a share is 100 % only when it is all', () => {
  expect(percent(999, 1000)).toBe('99 %');
  expect(percent(1000, 1000)).toBe('100 %');
  expect(percent(0, 0)).toBe('0 %');
});

test('every status has a symbol and its word, in ASCII too', () => {
  for (const status of [...jobStatuses, ...replicaStatuses, ...deploymentStatuses, ...machineSteps]) {
    expect(statusText(status, { paint: plainPaint, unicode: true })).toMatch(new RegExp(`^\\S ${status}$`));
    expect(statusText(status, { paint: plainPaint, unicode: false })).toMatch(/^[\x21-\x7e]+ [A-Z]+$/);
  }
});

test('text from elsewhere keeps to its line and drives no terminal', () => {
  expect(oneLine('fix\n\u001b[2J\u001b]0;owned\u0007all\r\tof it\u202eevil')).toBe('fix all of it evil');
});
