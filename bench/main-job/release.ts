import type { LocalStarling } from '@starling/local/starling.ts';
import { isTerminalJobStatus } from '@starling/shared/words.ts';

/** Takes the newest commit of a repository to all machines; how long each stage took, in milliseconds. */
export async function release({ api }: LocalStarling, project: string, repository: string) {
  const stages: Record<string, number> = {};
  if (!(await api.projects.list.query()).some(({ name }) => name === project))
    await api.projects.add.mutate({ name: project, repositoryUrl: repository, defaultRef: 'main' });
  const startedAt = Date.now();
  const job = await api.jobs.create.mutate({ project });
  await until(async () => isTerminalJobStatus((await api.jobs.get.query({ id: job.id })).status));
  const { status, buildId, failureReason, stages: times } = await api.jobs.get.query({ id: job.id });
  if (status !== 'SUCCEEDED' || !buildId) throw new Error(`the build ${status}: ${failureReason}`);
  for (const { stage, startedAt: from, finishedAt } of times)
    stages[`build: ${stage.toLowerCase()}`] = Date.parse(finishedAt!) - Date.parse(from);
  let at = Date.now();
  await until(async () => (await api.builds.get.query({ id: buildId })).deployable);
  stages.replicate = Date.now() - at;
  at = Date.now();
  const { id } = await api.deployments.deploy.mutate({ project, build: buildId });
  await until(async () => {
    const machines = await api.deployments.machines.query({ id });
    return machines.every(({ step }) => step !== null && !['IDLE', 'FETCHING'].includes(step));
  });
  stages['deploy: fetched by all'] = Date.now() - at;
  at = Date.now();
  await until(async () => (await api.deployments.get.query({ id })).status !== 'RUNNING');
  stages['deploy: verified, unpacked and running on all'] = Date.now() - at;
  const ended = await api.deployments.get.query({ id });
  if (ended.status !== 'SUCCEEDED') throw new Error(`the deployment ${ended.status}: ${ended.outcome}`);
  stages['commit to last machine'] = Date.now() - startedAt;
  return { stages, bytes: ended.build.streamBytes, build: await api.builds.get.query({ id: buildId }) };
}

/** Waits until every machine is connected to its hub. */
export const untilOnline = ({ api, machines }: LocalStarling) =>
  until(async () => {
    const known = await api.machines.list.query({ limit: 500 });
    return known.filter(({ online }) => online).length === machines.length;
  });

export async function until(look: () => Promise<boolean>, deadlineMs = 30 * 60_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await look())) {
    if (Date.now() > end) throw new Error('took longer than 30 minutes');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
