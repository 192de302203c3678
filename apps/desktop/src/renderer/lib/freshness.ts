/** What control says has changed. */
export type ChangeTopic =
  | 'jobs'
  | 'cancellations'
  | 'replicas'
  | 'deployments'
  | 'machines'
  | 'version-keys'
  | 'projects';
/** A group of reads that are repeated together. */
export type ReadGroup = 'overview' | 'projects' | 'jobs' | 'builds' | 'deployments' | 'machines';

const groupsOfTopic: Record<ChangeTopic, readonly ReadGroup[]> = {
  jobs: ['jobs', 'builds', 'overview'],
  replicas: ['builds'],
  deployments: ['deployments', 'builds', 'overview'],
  machines: ['machines', 'deployments', 'overview'],
  'version-keys': ['overview'],
  cancellations: [],
  projects: ['projects', 'overview'],
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
