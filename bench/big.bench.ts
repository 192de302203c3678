import { chmod, mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { localRegions, startLocalStarling } from '@starling/local/starling.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { type Change, commitVersion } from './big/sample-versions.ts';
import { saveSpace } from './big/save-space.ts';
import { MemoryWatch } from './main-job/memory-watch.ts';
import { release, untilOnline } from './main-job/release.ts';

// A large tree and versions of it that differ in 4 %, each from commit to one machine in each region: the time of each stage
// on both sides, what is stored, replicated and fetched, and the peak memory of each process as the kernel counted it (VmHWM).

const machineStages = { FETCHING: 'machine: fetch', VERIFYING: 'machine: put together and check' } as const;
const changes: readonly Change[] = ['first', 'stretches', 'scattered'];
const roles = ['agent', 'hub', 'worker', 'control'] as const;

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: {
      mebibytes: { type: 'string', default: '10240' },
      regions: { type: 'string', default: '1' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  const mebibytes = Number(values.mebibytes);
  const regions = localRegions.slice(0, Number(values.regions));
  const data = await mkdtemp(join(values.folder, 'starling-bench-'));
  await chmod(data, 0o711);
  await insistOnRoom(data, mebibytes * 1024 * 1024, regions.length);
  try {
    const versions: Measured[] = [];
    for (const [index, change] of changes.entries()) {
      const repository = join(data, 'repository');
      await commitVersion(repository, mebibytes, changes.slice(0, index + 1));
      const measured = await measure(data, regions, repository, change);
      process.stderr.write(`${change}: ${JSON.stringify(measured)}\n`);
      versions.push(measured);
    }
    print(versions);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

type Measured = Awaited<ReturnType<typeof measure>>;

/** One version, with processes that begin with it. */
async function measure(data: string, regions: readonly string[], repository: string, change: Change) {
  const starling = await startLocalStarling({ data, controlPort: 0, machinesPerRegion: 1, workers: 1, regions });
  const watching = new MemoryWatch(starling);
  try {
    await untilOnline(starling);
    const logged = await logLengths(data, starling.machines);
    const bare = await watching.peaks();
    const { stages, build } = await release(starling, 'big', repository);
    const onMachines = await machinesOf(data, logged);
    const peaks = await watching.peaks();
    const peakOf = (all: Record<string, number>, role: string) =>
      Math.max(...Object.entries(all).map(([name, mb]) => (name.startsWith(role) ? mb : 0)));
    return {
      change,
      seconds: Object.fromEntries(
        Object.entries({ ...stages, ...onMachines.stages }).map(([stage, ms]) => [stage, Math.round(ms / 100) / 10]),
      ),
      bytes: {
        tree: build.streamBytes,
        new_chunks: build.newBytes,
        stored: build.packBytes + build.manifestBytes,
        patches: build.patchBytes,
        manifest: build.manifestBytes,
        replicated: build.replicas.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0),
        fetched_per_machine: onMachines.fetchedBytes + build.manifestBytes,
      },
      bare_mb: Object.fromEntries(roles.map((role) => [role, peakOf(bare, role)])),
      peak_mb: Object.fromEntries(roles.map((role) => [role, peakOf(peaks, role)])),
      new_share: build.newBytes / build.streamBytes,
    };
  } finally {
    watching.stop();
    await starling.stop();
    await saveSpace(data, starling.machines);
  }
}

function print(versions: readonly Measured[]): void {
  const rows = (pick: (version: Measured) => Record<string, string | number>) => {
    const names = [...new Set(versions.flatMap((version) => Object.keys(pick(version))))];
    return names.map((name) => ({
      '': name,
      ...Object.fromEntries(versions.map((version) => [version.change, pick(version)[name]])),
    }));
  };
  console.table(rows(({ seconds }) => seconds));
  console.table(
    rows(({ bytes }) => Object.fromEntries(Object.entries(bytes).map(([what, count]) => [what, formatBytes(count)]))),
  );
  console.table(rows(({ peak_mb: peaks }) => peaks));
  const by = <Value>(pick: (version: Measured) => Value) =>
    Object.fromEntries(versions.map((version) => [version.change, pick(version)]));
  process.stdout.write(
    `${JSON.stringify({
      bench: 'big',
      tree_bytes: versions[0]?.bytes.tree,
      stages: by(({ seconds }) => seconds),
      bytes: by(({ bytes }) => bytes),
      peak_mb: Object.fromEntries(
        roles.map((role) => [role, Math.max(...versions.map(({ peak_mb: peaks }) => peaks[role] ?? 0))]),
      ),
      peak_mb_by_version: by(({ peak_mb: peaks }) => peaks),
      bare_mb: versions[0]?.bare_mb,
      // 4 % in stretches of 1 MiB; and 4 KB in each 100 KB, where no chunk stays the same.
      new_share: versions[1]?.new_share,
      new_share_scattered: versions[2]?.new_share,
    })}\n`,
  );
}

/**
 * The most is taken by the last version, of which all chunks are new, while it is brought out: trees of the worker and on each
 * machine the slot that runs and the one that comes; and packs, half as large, of two versions: of the one before in one
 * place, of the new one in all.
 */
async function insistOnRoom(data: string, treeBytes: number, regions: number): Promise<void> {
  const needed = treeBytes * (1 + 0.55 + 0.55 + regions * (2 + 2 * 0.55)) * 1.05;
  const { bavail, bsize } = await statfs(data);
  if (bavail * bsize >= needed) return;
  await rm(data, { recursive: true });
  throw new Error(`needs ${formatBytes(needed)} free in ${data}, has ${formatBytes(bavail * bsize)}`);
}

const logOf = (data: string, machine: string) => join(data, 'logs', `agent-${machine}.log`);

async function logLengths(data: string, machines: readonly string[]): Promise<Map<string, number>> {
  const lengths = new Map<string, number>();
  for (const machine of machines) lengths.set(machine, (await readFile(logOf(data, machine))).length);
  return lengths;
}

/** The slowest machine's time in each state, and the most that one fetched, by what their logs say beyond these lengths. */
async function machinesOf(data: string, logged: ReadonlyMap<string, number>) {
  const stages: Record<string, number> = {};
  let fetchedBytes = 0;
  for (const [machine, from] of logged) {
    const text = (await readFile(logOf(data, machine))).subarray(from).toString('utf8');
    const lines = text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    fetchedBytes = Math.max(fetchedBytes, lines.find(({ msg }) => msg === 'fetched')?.bytes ?? 0);
    for (const [state, stage] of Object.entries(machineStages)) {
      const began = lines.find(({ to }) => to === state);
      const ended = lines.find(({ from: left }) => left === state);
      if (began && ended) stages[stage] = Math.max(stages[stage] ?? 0, Date.parse(ended.time) - Date.parse(began.time));
    }
  }
  return { stages, fetchedBytes };
}
