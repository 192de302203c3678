import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isTerminalJobStatus } from '@starling/shared/words.ts';
import { until, type World } from './world.ts';

const identity = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

/** Commits a recipe to the project's repository (made when it is not there) and builds it for real; the build's id, once every region has it. */
export async function buildRecipe(world: World, project: string, recipe: string): Promise<string> {
  const repository = join(world.data, 'repositories', project);
  const git = (...commandLine: string[]) =>
    execFileSync('git', commandLine, {
      cwd: repository,
      env: { PATH: process.env.PATH, HOME: repository, ...identity },
    });
  const isNew = (await mkdir(repository, { recursive: true })) !== undefined;
  if (isNew) git('init', '--quiet', '--initial-branch=main');
  await writeFile(join(repository, 'starling.yml'), recipe);
  git('add', '--all');
  git('commit', '--quiet', '--allow-empty', '--message=A change');
  if (isNew) await world.api.projects.add.mutate({ name: project, repositoryUrl: repository });
  const { id } = await world.api.jobs.create.mutate({ project, ref: 'main' });
  let build: string | null = null;
  await until(
    'the build is done',
    async () => {
      const job = await world.api.jobs.get.query({ id });
      if (isTerminalJobStatus(job.status) && job.status !== 'SUCCEEDED')
        throw new Error(`${job.status}: ${job.failureReason}`);
      build = job.status === 'SUCCEEDED' ? job.buildId : null;
      return build !== null && (await world.api.builds.get.query({ id: build })).notDeployableBecause === null;
    },
    120,
  );
  return build!;
}

/** Waits for a deployment's end; how it ended. */
export async function ended(world: World, deployment: number, seconds: number): Promise<string> {
  let status = 'RUNNING';
  await until(
    `deployment ${deployment} has ended`,
    async () => {
      ({ status } = await world.api.deployments.get.query({ id: deployment }));
      return !['WAITING', 'RUNNING'].includes(status);
    },
    seconds,
    500,
  );
  return status;
}
