/** What control says has changed. */
export type ChangeTopic =
  | 'jobs'
  | 'cancellations'
  | 'replicas'
  | 'deployments'
  | 'machines'
  | 'version-keys'
  | 'projects'
  | 'alerts';
/** A group of reads that are repeated together. */
export type ReadGroup =
  | 'overview'
  | 'projects'
  | 'jobs'
  | 'builds'
  | 'deployments'
  | 'machines'
  | 'approvals'
  | 'history'
  | 'queue'
  | 'regions'
  | 'swarm'
  | 'freezes'
  | 'line'
  | 'quarantines'
  | 'alerts';

const groupsOfTopic: Record<ChangeTopic, readonly ReadGroup[]> = {
  jobs: ['jobs', 'builds', 'overview', 'queue'],
  replicas: ['builds', 'regions'],
  deployments: ['deployments', 'builds', 'overview', 'approvals', 'history', 'freezes', 'line', 'quarantines'],
  machines: ['machines', 'deployments', 'overview', 'swarm'],
  'version-keys': ['overview', 'regions'],
  cancellations: [],
  projects: ['projects', 'overview', 'approvals'],
  alerts: ['alerts'],
};

/** The reads that are old once these topics have changed; topics this console does not know change nothing. */
export function groupsOf(topics: readonly ChangeTopic[]): Set<ReadGroup> {
  return new Set(topics.flatMap((topic) => groupsOfTopic[topic] ?? []));
}

const longestPauseMs = 30_000;

/** How long to wait before the next attempt: 0.5 s doubled each time up to 30 s, half of it at random (0 to 1). */
export function backoffMs(attempts: number, random: number): number {
  const full = Math.min(longestPauseMs, 500 * 2 ** Math.min(attempts, 10));
  return Math.round(full / 2 + (full / 2) * random);
}
