import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startLocalStarling } from '@starling/local/starling.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { MemoryWatch } from './main-job/memory-watch.ts';
import { release, until } from './main-job/release.ts';

// A large tree and a second version of it that differs in 4 %, scattered, from commit to one machine in each of the three
// regions of the local fleet: the time of each stage on both sides, what is stored, replicated and fetched, and the peak
// memory of each process as the kernel counted it (VmHWM).

const run_ = promisify(execFile);
const machineStages = { FETCHING: 'machine: fetch', VERIFYING: 'machine: put together and check' } as const;

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: { mebibytes: { type: 'string', default: '10240' }, folder: { type: 'string', default: tmpdir() } },
  });
  const mebibytes = Number(values.mebibytes);
  const data = await mkdtemp(join(values.folder, 'starling-bench-'));
  await chmod(data, 0o711);
  // Artifact, tree that is kept, pack, main store; for each region its store and hub; for each machine a pack and two slots.
  const needed = mebibytes * 1024 * 1024 * (4 + 3 * 2 + 3 * 3);
  const { bavail, bsize } = await statfs(data);
  if (bavail * bsize < needed * 1.05)
    throw new Error(`needs ${formatBytes(needed * 1.05)} free in ${values.folder}, has ${formatBytes(bavail * bsize)}`);
  const starling = await startLocalStarling({ data, controlPort: 0, machinesPerRegion: 1, workers: 1 });
  const watching = new MemoryWatch(starling);
  try {
    await until(
      async () =>
        (await starling.api.machines.list.query({ limit: 500 })).filter(({ online }) => online).length ===
        starling.machines.length,
    );
    const repository = join(data, 'repository');
    const versions = [];
    for (const version of [1, 2]) {
      await commitVersion(repository, mebibytes, version);
      const { stages, build } = await release(starling, 'big', repository);
      const onMachines = await machinesOf(data, starling.machines, version - 1);
      const seconds = Object.fromEntries(
        Object.entries({ ...stages, ...onMachines.stages }).map(([stage, ms]) => [
          stage,
          Number((ms / 1000).toFixed(1)),
        ]),
      );
      versions.push({
        seconds,
        bytes: {
          tree: build.streamBytes,
          stored: build.packBytes + build.manifestBytes,
          patches: build.patchBytes,
          replicated: build.replicas.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0),
          fetched_per_machine: onMachines.fetchedBytes + build.manifestBytes,
        },
        new_share: build.newBytes / build.streamBytes,
      });
    }
    const peaks = watching.stop();
    const [first, second] = versions as [(typeof versions)[0], (typeof versions)[0]];
    const stages = [...new Set([...Object.keys(first.seconds), ...Object.keys(second.seconds)])];
    console.table(stages.map((stage) => ({ stage, first: first.seconds[stage], second: second.seconds[stage] })));
    console.table(
      Object.entries(first.bytes).map(([what, bytes]) => ({
        what,
        first: formatBytes(bytes),
        second: formatBytes(second.bytes[what as keyof typeof first.bytes]),
      })),
    );
    console.table(Object.entries(peaks).map(([process_, mb]) => ({ process: process_, 'peak MB': mb })));
    const peakOf = (prefix: string) =>
      Math.max(...Object.entries(peaks).map(([name, mb]) => (name.startsWith(prefix) ? mb : 0)));
    process.stdout.write(
      `${JSON.stringify({
        bench: 'big',
        tree_bytes: second.bytes.tree,
        stages: { first: first.seconds, second: second.seconds },
        bytes: { first: first.bytes, second: second.bytes },
        peak_mb: { agent: peakOf('agent'), hub: peakOf('hub'), worker: peakOf('worker'), control: peakOf('control') },
        new_share: second.new_share,
      })}\n`,
    );
  } finally {
    watching.stop();
    await starling.stop();
    await rm(data, { recursive: true, force: true });
  }
}

/** The slowest machine's time in each state of its nth update, and the most that one fetched, by their own logs. */
async function machinesOf(data: string, machines: readonly string[], nth: number) {
  const stages: Record<string, number> = {};
  let fetchedBytes = 0;
  for (const machine of machines) {
    const text = await readFile(join(data, 'logs', `agent-${machine}.log`), 'utf8');
    const lines = text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    fetchedBytes = Math.max(fetchedBytes, lines.filter(({ msg }) => msg === 'fetched')[nth]?.bytes ?? 0);
    for (const [state, stage] of Object.entries(machineStages)) {
      const began = lines.filter(({ to }) => to === state)[nth];
      const ended = lines.filter(({ from }) => from === state)[nth];
      if (began && ended) stages[stage] = Math.max(stages[stage] ?? 0, Date.parse(ended.time) - Date.parse(began.time));
    }
  }
  return { stages, fetchedBytes };
}

/** Random bytes in 32 files, of which each version after the first replaces 4 KB in each 100 KB. */
const script = (mebibytes: number) => `
import { createCipheriv } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
const version = Number(readFileSync('version', 'utf8'));
const stream = (seed) => createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
const [all, zeros, patch] = [stream(1), Buffer.alloc(1000000), Buffer.alloc(4000)];
const changes = Array.from({ length: version - 1 }, (_, index) => stream(index + 2));
mkdirSync('dist', { recursive: true });
const files = 32;
const perFile = Math.ceil((${mebibytes} * 2 ** 20) / files / zeros.length);
for (let file = 0; file < files; file += 1) {
  const output = openSync('dist/part-' + file, 'w');
  for (let block = 0; block < perFile; block += 1) {
    const bytes = all.update(zeros);
    for (const [index, change] of changes.entries())
      for (let at = 20000 + index * 5000; at + 4000 <= bytes.length; at += 100000) change.update(patch).copy(bytes, at);
    writeSync(output, bytes);
  }
  closeSync(output);
}
`;

async function commitVersion(folder: string, mebibytes: number, version: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'starling.yml'),
    'version: 1\nbuild:\n  command: node build.mjs\n  artifact: dist\n  timeout: 1h\n',
  );
  await writeFile(join(folder, 'build.mjs'), script(mebibytes));
  await writeFile(join(folder, 'version'), String(version));
  const git = (...options: string[]) =>
    run_('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...options], { cwd: folder });
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  await git('commit', '--quiet', `--message=Version ${version}`);
}
