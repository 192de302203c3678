import type { Attempt } from '@starling/server/builder/ports.ts';
import { connect, disconnect } from '@starling/server/db/connect.ts';
import { createJobs } from '@starling/server/jobs/create.ts';
import { endAndTake } from '@starling/server/jobs/end.ts';
import { type Contender, type ContenderOptions, timeLanes } from './contender.ts';

// Starling's own statements on its own table with all its indexes.

export async function openStarling({ host, database: name, connections, batch }: ContenderOptions): Promise<Contender> {
  const url = `postgres://starling@localhost/${name}?host=${encodeURIComponent(host)}`;
  const database = connect(url, { applicationName: 'bench', maxConnections: connections });
  const projects = Array.from({ length: 16 }, (_, number) => `project-${number}`);
  for (const project of projects) {
    await database.$client`
      insert into projects (name, repository_url, default_ref, binary_name, created_by)
      values (${project}, '/srv/repository', 'main', ${project}, 'bench') on conflict do nothing`;
  }
  const newJob = (number: number) => ({
    project: projects[number % 16]!,
    commitSha: number.toString(16).padStart(40, '0'),
    requestedRef: 'main',
    requestedBy: 'bench',
    repositoryUrl: '/srv/repository',
    binaryName: projects[number % 16]!,
    maxAttempts: 3,
    deadlineMs: 900_000,
  });
  return {
    reset: async () => {
      await database.$client`truncate jobs, jobs_waiting, jobs_taken cascade`;
    },
    enqueue: (count, workers, mode) => {
      let left = count;
      return timeLanes(workers, async () => {
        if (left <= 0) return false;
        const some = mode === 'one' ? 1 : Math.min(left, batch);
        left -= some;
        const first = left;
        await createJobs(
          database,
          Array.from({ length: some }, (_, at) => newJob(first + at)),
        );
        return true;
      });
    },
    // As a worker does: the end of one job and the claim of the next are one call.
    work: (_count, workers, mode) => {
      const held = Array.from({ length: workers }, (): Attempt[] => []);
      return timeLanes(workers, async (lane) => {
        const limit = mode === 'one' ? 1 : batch;
        const { lost, taken } = await endAndTake(database, `worker-${lane}`, held[lane]!, { limit });
        if (lost.length > 0) throw new Error('an attempt was taken away');
        held[lane] = taken;
        return taken.length > 0;
      });
    },
    completed: async () => {
      const [row] = await database.$client<{ left: number }[]>`
        select count(*)::int as left from jobs where status <> 'SUCCEEDED'`;
      return -row!.left;
    },
    close: () => disconnect(database),
  };
}
