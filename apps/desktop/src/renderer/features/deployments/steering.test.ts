import { expect, it } from 'vitest';
import { whyNotSteer } from './steering.ts';

const deployment = (facts: object = {}) => ({
  status: 'RUNNING' as const,
  kind: 'DEPLOY' as const,
  wave: 1,
  plan: { waves: [1, 2, 3] },
  pausedAt: null,
  pausedBy: null,
  promotedTo: 0,
  stopped: null,
  ...facts,
});
const paused = { pausedAt: '2026-01-01T00:00:00Z', pausedBy: 'ada' };

it('steers what runs, and says why it does not steer the rest', () => {
  expect(whyNotSteer('pause', deployment())).toBeNull();
  expect(whyNotSteer('promote', deployment())).toBeNull();
  expect(whyNotSteer('resume', deployment())).toBe('It is not paused.');
  expect(whyNotSteer('resume', deployment(paused))).toBeNull();
  expect(whyNotSteer('pause', deployment(paused))).toBe('It is paused, by ada.');
  expect(whyNotSteer('promote', deployment(paused))).toBe('It stands still: resume it first.');
  expect(whyNotSteer('promote', deployment({ wave: 3 }))).toBe('Its last wave has begun.');
  expect(whyNotSteer('promote', deployment({ plan: null }))).toBe('It goes to all machines at once.');
  expect(whyNotSteer('promote', deployment({ promotedTo: 2 }))).toContain('already');
  expect(whyNotSteer('promote', deployment({ stopped: { by: 'ada', reason: '' } }))).toBe('The line is stopped.');
  expect(whyNotSteer('pause', deployment({ kind: 'ROLLBACK' }))).toContain('nothing to pause');
  expect(whyNotSteer('pause', deployment({ status: 'FAILED' }))).toBe('It has ended: failed.');
});
