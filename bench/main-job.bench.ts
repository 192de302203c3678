import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type LocalStarling, startLocalStarling } from '@starling/local/starling.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { isTerminalJobStatus } from '@starling/shared/words.ts';

// A large artifact from commit to all twelve machines of the local fleet: the time of each stage, and the peak memory
// of each process as the kernel counted it (VmHWM).

const run_ = promisify(execFile);

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: { mebibytes: { type: 'string', default: '1024' }, folder: { type: 'string', default: tmpdir() } },
  });
  const mebibytes = Number(values.mebibytes);
  const data = await mkdtemp(join(values.folder, 'starling-bench-'));
  await chmod(data, 0o711);
  // Artifact, pack, main store; for each region its store and hub; for each machine a pack and a slot.
  const needed = mebibytes * 1024 * 1024 * (3 + 3 * 2 + 12 * 2);
  const { bavail, bsize } = await statfs(data);
  if (bavail * bsize < needed * 1.1)
    throw new Error(`needs ${formatBytes(needed * 1.1)} free in ${values.folder}, has ${formatBytes(bavail * bsize)}`);
  const starling = await startLocalStarling({ data, controlPort: 0 });
  const watching = new MemoryWatch(starling);
  try {
    await until(
      async () =>
        (await starling.api.machines.list.query({ limit: 500 })).filter(({ online }) => online).length ===
        starling.machines.length,
    );
    const { stages, bytes } = await release(starling, await makeRepository(join(data, 'repository'), mebibytes));
    const peaks = watching.stop();
    const seconds = Object.fromEntries(
      Object.entries(stages).map(([stage, ms]) => [stage, Number((ms / 1000).toFixed(1))]),
    );
    console.table(Object.entries(seconds).map(([stage, value]) => ({ stage, seconds: value })));
    console.table(Object.entries(peaks).map(([process_, mb]) => ({ process: process_, 'peak MB': mb })));
    process.stdout.write(
      `${JSON.stringify({ bench: 'main-job', artifact_mib: bytes / 1024 / 1024, machines: starling.machines.length, seconds, peak_mb: peaks })}\n`,
    );
  } finally {
    watching.stop();
    await starling.stop();
    await rm(data, { recursive: true, force: true });
  }
}

async function release({ api }: LocalStarling, repository: string) {
  const stages: Record<string, number> = {};
  await api.projects.add.mutate({ name: 'big', repositoryUrl: repository, defaultRef: 'main' });
  const startedAt = Date.now();
  const job = await api.jobs.create.mutate({ project: 'big' });
  await until(async () => isTerminalJobStatus((await api.jobs.get.query({ id: job.id })).status));
  const { status, buildId, failureReason, stages: times } = await api.jobs.get.query({ id: job.id });
  if (status !== 'SUCCEEDED' || !buildId) throw new Error(`the build ${status}: ${failureReason}`);
  for (const { stage, startedAt: from, finishedAt } of times)
    stages[`build: ${stage.toLowerCase()}`] = Date.parse(finishedAt!) - Date.parse(from);
  let at = Date.now();
  await until(async () => (await api.builds.get.query({ id: buildId })).deployable);
  stages.replicate = Date.now() - at;
  at = Date.now();
  const { id } = await api.deployments.deploy.mutate({ project: 'big', build: buildId });
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
  return { stages, bytes: ended.build.streamBytes };
}

async function makeRepository(folder: string, mebibytes: number): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'starling.yml'),
    `version: 1
build:
  command: mkdir dist && dd if=/dev/urandom of=dist/payload bs=1M count=${mebibytes} status=none && cp service.mjs dist/
  artifact: dist
  timeout: 10m
run:
  command: exec node service.mjs
  port: auto
health:
  http: /
  interval: 200ms
  minHealthyTime: 1s
`,
  );
  await writeFile(
    join(folder, 'service.mjs'),
    "import { createServer } from 'node:http';\ncreateServer((_, response) => response.end('ok')).listen(Number(process.env.PORT), '127.0.0.1');\n",
  );
  const git = (...options: string[]) =>
    run_('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...options], { cwd: folder });
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  await git('commit', '--quiet', '--message=A large artifact');
  return folder;
}

async function until(look: () => Promise<boolean>, deadlineMs = 30 * 60_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await look())) {
    if (Date.now() > end) throw new Error('took longer than 30 minutes');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Notes the peak memory of every process while it runs; the kernel keeps the peak, we only read it in time. */
class MemoryWatch {
  readonly #peaks: Record<string, number> = {};
  readonly #timer: NodeJS.Timeout;

  constructor(starling: LocalStarling) {
    const look = async () => {
      for (const [name, child] of starling.children) {
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
        const kilobytes = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
        this.#peaks[name] = Math.max(this.#peaks[name] ?? 0, Math.round(kilobytes / 1024));
      }
    };
    this.#timer = setInterval(look, 1_000);
  }

  stop(): Record<string, number> {
    clearInterval(this.#timer);
    return this.#peaks;
  }
}
