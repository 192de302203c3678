import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startLocalStarling } from '@starling/local/starling.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { MemoryWatch } from './main-job/memory-watch.ts';
import { release, untilOnline } from './main-job/release.ts';

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
    await untilOnline(starling);
    const { stages, bytes } = await release(starling, 'big', await makeRepository(join(data, 'repository'), mebibytes));
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
