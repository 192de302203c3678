import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type LocalStarling, startLocalStarling } from '@starling/local/starling.ts';
import { isTerminalJobStatus } from '@starling/shared/words.ts';
import { assert, expect, vi } from 'vitest';

const run = promisify(execFile);
const cliProgram = fileURLToPath(new URL('../../apps/cli/bin/starling.mjs', import.meta.url));

export interface StarlingUnderTest extends LocalStarling {
  data: string;
  /** Runs the CLI as a person would, against this Starling. */
  cli(...commandLine: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Stops everything and removes the data. */
  discard(): Promise<void>;
}

export interface UnderTestOptions {
  machinesPerRegion?: number;
  regions?: readonly string[];
  settings?: Record<string, string>;
  data?: string;
}

export async function temporaryFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `starling-${name}-`));
  // PostgreSQL's own user has to pass through.
  await chmod(folder, 0o711);
  return folder;
}

/** A whole Starling of real processes, on free ports, in a folder of its own. */
export async function startUnderTest(options: UnderTestOptions = {}): Promise<StarlingUnderTest> {
  const data = options.data ?? (await temporaryFolder('system'));
  const starling = await startLocalStarling({ ...options, data, controlPort: 0 });
  await vi.waitFor(
    async () => {
      const machines = await starling.api.machines.list.query({ limit: 500 });
      expect(machines.filter((machine) => machine.online).map((machine) => machine.id)).toEqual(
        starling.machines.toSorted(),
      );
    },
    { timeout: 60_000, interval: 200 },
  );
  return {
    ...starling,
    data,
    cli: (...commandLine) =>
      run(process.execPath, [cliProgram, ...commandLine], {
        env: { PATH: process.env.PATH, HOME: data, STARLING_DATA: data },
        timeout: 240_000,
        maxBuffer: 32 * 1024 * 1024,
      }).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        (error: { code?: number; stdout: string; stderr: string }) => ({
          code: error.code ?? -1,
          stdout: error.stdout,
          stderr: error.stderr,
        }),
      ),
    discard: async () => {
      await starling.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

const gitIdentity = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

/** Commits these files on top of what the repository has (it is made when it is not there); the commit's SHA. */
export async function commit(repository: string, files: Record<string, string>): Promise<string> {
  const git = async (...commandLine: string[]) =>
    (
      await run('git', commandLine, {
        cwd: repository,
        env: { PATH: process.env.PATH, HOME: repository, ...gitIdentity },
      })
    ).stdout.trim();
  await mkdir(repository, { recursive: true });
  await git('init', '--quiet', '--initial-branch=main');
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(repository, path)), { recursive: true });
    await writeFile(join(repository, path), text);
    if (text.startsWith('#!')) await chmod(join(repository, path), 0o755);
  }
  await git('add', '--all');
  await git('commit', '--quiet', '--allow-empty', '--message=A change');
  return git('rev-parse', 'HEAD');
}

/** Waits for a job's end; its row. */
export async function ended(starling: LocalStarling, jobId: number, timeout = 120_000) {
  return vi.waitFor(
    async () => {
      const job = await starling.api.jobs.get.query({ id: jobId });
      expect(isTerminalJobStatus(job.status), `job ${jobId} is ${job.status}`).toBe(true);
      return job;
    },
    { timeout, interval: 200 },
  );
}

/** Builds a commit and waits until it is deployable; the build's id. */
export async function built(starling: LocalStarling, project: string, ref: string, timeout = 180_000): Promise<string> {
  const { id } = await starling.api.jobs.create.mutate({ project, ref });
  const job = await ended(starling, id, timeout);
  expect(job, job.failureReason ?? '').toMatchObject({ status: 'SUCCEEDED' });
  await deployable(starling, job.buildId!, timeout);
  return job.buildId!;
}

export async function deployable(starling: LocalStarling, buildId: string, timeout = 120_000): Promise<void> {
  await vi.waitFor(
    async () =>
      expect(await starling.api.builds.get.query({ id: buildId })).toMatchObject({ notDeployableBecause: null }),
    { timeout, interval: 200 },
  );
}

/** Waits for a deployment's end; the deployment. */
export async function settled(starling: LocalStarling, deploymentId: number, timeout = 180_000) {
  return vi.waitFor(
    async () => {
      const deployment = await starling.api.deployments.get.query({ id: deploymentId });
      expect(deployment.status, JSON.stringify(deployment.regions)).not.toBe('RUNNING');
      return deployment;
    },
    { timeout, interval: 200 },
  );
}

/** Waits for a deployment to succeed; when it does not, says of each machine where it stands and why. */
export async function succeeded(starling: LocalStarling, deploymentId: number, timeout = 180_000) {
  const { api } = starling;
  const stands = async () => {
    const { project, regions } = await api.deployments.get.query({ id: deploymentId });
    const machines = await api.machines.list.query({ project, limit: 500 });
    const lines = machines.map(({ id, projects: [state] }) => `${id}: ${JSON.stringify(state)}`);
    return `deployment ${deploymentId}\n${JSON.stringify(regions)}\n${lines.join('\n')}`;
  };
  const deployment = await settled(starling, deploymentId, timeout).catch(async () => assert.fail(await stands()));
  if (deployment.status !== 'SUCCEEDED') assert.fail(`${deployment.status}: ${await stands()}`);
  return deployment;
}

/** What every machine says it runs of a project, by machine. */
export async function observed(starling: LocalStarling, project: string): Promise<Record<string, string | null>> {
  const machines = await starling.api.machines.list.query({ project, limit: 500 });
  return Object.fromEntries(machines.map((machine) => [machine.id, machine.projects[0]?.observedBuild ?? null]));
}

/** Waits until every machine says that it runs `buildId`, healthy. */
export async function everywhere(
  starling: LocalStarling,
  project: string,
  buildId: string,
  timeout = 120_000,
): Promise<void> {
  await vi.waitFor(
    async () => {
      const machines = await starling.api.machines.list.query({ project, limit: 500 });
      const states = machines.map(({ id, projects: [state] }) => `${id} ${state?.observedBuild} ${state?.step}`);
      expect(states).toEqual(starling.machines.toSorted().map((id) => `${id} ${buildId} COMMITTED`));
    },
    { timeout, interval: 250 },
  );
}

/** The processes that run in a folder of this machine's, by their working folder: what really runs, whoever says what. */
export async function processesIn(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '');
    if (cwd === folder || cwd.startsWith(`${folder}/`)) found.push(Number(name));
  }
  return found;
}
