import { join } from 'node:path';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { formatBytes, formatDuration } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { isTerminalJobStatus } from '@starling/shared/words.ts';
import { Listr } from 'listr2';
import type { ApiClient } from './api-client.ts';
import { makeSampleRepository } from './sample-repository.ts';

// The main job, through the same API that people use: from a commit of the sample service to every machine. Each step
// looks before it acts, so a first run that was cut off goes on where it was.

export const sampleProject = 'hello';
const firstTag = 'v1';
const everyMs = 300;

export interface MainJobOptions {
  api: ApiClient;
  data: string;
  machines: readonly string[];
  searchPath: string;
  clock?: Clock;
  /** The longest the whole may take. */
  deadlineMs?: number;
}

export interface StageTime {
  stage: string;
  milliseconds: number;
}

/** Takes the sample service to all machines, unless a version of it runs there already. Throws with the reason when it cannot. */
export async function runMainJob({
  api,
  data,
  machines,
  searchPath,
  clock = systemClock,
  deadlineMs = 10 * 60_000,
}: MainJobOptions): Promise<StageTime[]> {
  const repository = join(data, 'sample', sampleProject);
  const until = clock.now() + deadlineMs;
  const times: StageTime[] = [];
  let jobId = 0;
  let buildId = '';

  /** Asks until `done` answers with something; what it shows meanwhile becomes the step's line. */
  async function untilThere<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (clock.now() > until)
        throw new StarlingError('TIMEOUT', `${what} took longer than ${formatDuration(deadlineMs)}`);
      await clock.sleep(everyMs);
    }
  }

  type Step = { title: string; run: (show: (line: string) => void) => Promise<string> };
  const steps: Step[] = [
    {
      title: `${machines.length} machines of three regions answer`,
      run: async (show) => {
        await untilThere('waiting for the machines', async () => {
          const online = (await api.machines.list.query({ limit: 500 })).filter(
            (machine) => machine.online && machines.includes(machine.id),
          ).length;
          show(`${online} of ${machines.length}`);
          return online === machines.length || undefined;
        });
        return `${machines.length} of ${machines.length}`;
      },
    },
    {
      title: 'Project',
      run: async () => {
        await makeSampleRepository(repository, searchPath);
        const known = await api.projects.list.query();
        if (!known.some((project) => project.name === sampleProject)) {
          await api.projects.add.mutate({ name: sampleProject, repositoryUrl: repository, defaultRef: 'main' });
        }
        return `${sampleProject}, from ${repository}`;
      },
    },
    {
      title: 'Build',
      run: async (show) => {
        const job = await api.jobs.create.mutate({ project: sampleProject, ref: firstTag });
        jobId = job.id;
        const ended = await untilThere('the build', async () => {
          const now = await api.jobs.get.query({ id: jobId });
          show(now.status === 'RUNNING' ? `${now.stage ?? ''} on ${now.worker ?? ''}` : now.status);
          return isTerminalJobStatus(now.status) ? now : undefined;
        });
        if (ended.status !== 'SUCCEEDED' || !ended.buildId) {
          throw new StarlingError(
            'INTERNAL',
            `job ${jobId} ${ended.status}: ${ended.failureReason ?? 'no reason given'}`,
          );
        }
        buildId = ended.buildId;
        return `${buildId}, job ${jobId} on commit ${ended.commitSha.slice(0, 12)}`;
      },
    },
    {
      title: 'Replicate to every region',
      run: async (show) => {
        const build = await untilThere('the replication', async () => {
          const now = await api.builds.get.query({ id: buildId });
          show(now.notDeployableBecause ?? 'everywhere');
          return now.deployable ? now : undefined;
        });
        return `${formatBytes(build.streamBytes)}, ${formatBytes(build.packBytes)} of it new, to ${build.replicas.map((replica) => replica.region).join(', ')}`;
      },
    },
    {
      title: 'Deploy',
      run: async (show) => {
        const [newest] = await api.deployments.list.query({ project: sampleProject, limit: 1 });
        const again = newest && (newest.status === 'RUNNING' || newest.status === 'SUCCEEDED');
        const { id } = again
          ? newest
          : await api.deployments.deploy.mutate({ project: sampleProject, build: buildId, reason: 'first run' });
        const ended = await untilThere('the deployment', async () => {
          const now = await api.deployments.get.query({ id });
          show(now.regions.map((region) => `${region.region} ${region.done}/${region.machines}`).join('  '));
          return now.status === 'RUNNING' ? undefined : now;
        });
        if (ended.status !== 'SUCCEEDED')
          throw new StarlingError('INTERNAL', `deployment ${id} ${ended.status}: ${ended.outcome ?? ''}`);
        return `deployment ${id}: ${ended.outcome ?? ''}`;
      },
    },
  ];

  await new Listr(
    steps.map(({ title, run }) => ({
      title,
      task: async (_context: unknown, task: { title: string; output: string }) => {
        const startedAt = clock.now();
        const result = await run((line) => {
          if (task.output !== line) task.output = line;
        });
        const milliseconds = clock.now() - startedAt;
        times.push({ stage: title, milliseconds });
        task.title = `${title}: ${result} (${formatDuration(milliseconds)})`;
      },
    })),
    { fallbackRenderer: 'simple', rendererOptions: { collapseSubtasks: false } },
  ).run();
  return times;
}

/** Whether a version of the sample service was taken to the machines before. */
export async function isMainJobDone(api: ApiClient): Promise<boolean> {
  const deployments = await api.deployments.list.query({ project: sampleProject, limit: 50 });
  return deployments.some((deployment) => deployment.status === 'SUCCEEDED');
}

/** Waits until every machine runs what it is told to, as after a start on an earlier state. */
export async function untilMachinesAreBack({
  api,
  machines,
  clock = systemClock,
  deadlineMs = 120_000,
}: MainJobOptions): Promise<void> {
  const until = clock.now() + deadlineMs;
  for (;;) {
    const rows = await api.machines.list.query({ limit: 500 });
    const back = rows.filter(
      (machine) =>
        machine.online &&
        machine.projects.every(
          (project) => project.step === 'COMMITTED' && project.observedBuild === project.desiredBuild,
        ),
    );
    if (back.length >= machines.length) return;
    if (clock.now() > until) {
      throw new StarlingError(
        'TIMEOUT',
        `${machines.length - back.length} of ${machines.length} machines do not run what they were told to`,
        {
          fix: 'See: npx starling machines',
        },
      );
    }
    await clock.sleep(everyMs);
  }
}
