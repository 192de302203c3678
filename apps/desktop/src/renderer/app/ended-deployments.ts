export interface DeploymentFacts {
  id: number;
  project: string;
  status: string;
  outcome: string | null;
}

/** Those that ran when last looked at and have ended since. A first look (`before` is null) has nothing to tell. */
export function endedDeployments<Facts extends DeploymentFacts>(
  before: readonly DeploymentFacts[] | null,
  now: readonly Facts[],
): Facts[] {
  if (!before) return [];
  const ran = new Set(before.filter(({ status }) => status === 'RUNNING').map(({ id }) => id));
  return now.filter((deployment) => deployment.status !== 'RUNNING' && ran.has(deployment.id));
}
