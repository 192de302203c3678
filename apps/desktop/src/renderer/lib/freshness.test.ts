import { expect, it } from 'vitest';
import { backoffMs, type ChangeTopic, groupsOf } from './freshness.ts';

it('repeats only the reads that a change makes old', () => {
  expect([...groupsOf(['replicas'])]).toEqual(['builds', 'regions']);
  expect([...groupsOf(['machines'])].sort()).toEqual(['deployments', 'machines', 'overview', 'swarm']);
  expect([...groupsOf(['something-newer' as ChangeTopic])]).toEqual([]);
});

it('reads everything again after a first frame, which names every topic', () => {
  const all = groupsOf(['jobs', 'replicas', 'deployments', 'machines', 'version-keys', 'projects', 'alerts']);
  const groups =
    'alerts approvals builds deployments freezes history jobs line machines overview projects quarantines queue regions swarm';
  expect([...all].sort().join(' ')).toBe(groups);
});

it('waits longer each time, never longer than half a minute, and not all pages at once', () => {
  expect(backoffMs(0, 0)).toBe(250);
  expect(backoffMs(0, 1)).toBe(500);
  expect(backoffMs(3, 1)).toBe(4_000);
  expect(backoffMs(50, 1)).toBe(30_000);
  expect(backoffMs(50, 0)).toBe(15_000);
});
