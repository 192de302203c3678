import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { measured } from './measured.ts';

// The peers, each in the best of the settings that were tried: bytes a machine with the previous version has to be sent,
// CPU to make and to apply them. All of them end with a check that the result is the new version.

export interface PeerResult {
  bytes: number;
  cpuSeconds: number;
  peakMb: number;
  settings: string;
}

export interface Pair {
  /** A file or a folder each. */
  previous: string;
  next: string;
  /** The two as one file each: themselves, or archives. */
  previousFile: string;
  nextFile: string;
  /** Empty, for this peer alone. */
  work: string;
}

export const peers: Record<string, { command: string; debian: string; run: (pair: Pair) => Promise<PeerResult> }> = {
  casync: { command: 'casync', debian: 'casync', run: casync },
  rsync: { command: 'rsync', debian: 'rsync', run: rsync },
  'zstd --patch-from -9': { command: 'zstd', debian: 'zstd', run: zstd },
  'xdelta3 -9': { command: 'xdelta3', debian: 'xdelta3', run: xdelta },
};

/** Which commands are not there, after an attempt to install them where that is possible. */
export function missingCommands(): string[] {
  const wanted = [...Object.values(peers), { command: '/usr/bin/time', debian: 'time' }];
  const isThere = (command: string) =>
    command.startsWith('/')
      ? existsSync(command)
      : (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, command)));
  const missing = wanted.filter(({ command }) => !isThere(command));
  if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    try {
      const packages = missing.map(({ debian }) => debian);
      execFileSync('apt-get', ['install', '-y', '-q', ...packages], { stdio: ['ignore', 2, 2], timeout: 300_000 });
    } catch (thrown) {
      process.stderr.write(`apt-get could not install them: ${(thrown as Error).message}\n`);
    }
  }
  return missing.map(({ command }) => command).filter((command) => !isThere(command));
}

async function zstd({ previousFile, nextFile, work }: Pair): Promise<PeerResult> {
  const patch = join(work, 'patch.zst');
  const windowLog = Math.ceil(Math.log2(Math.max((await stat(previousFile)).size, (await stat(nextFile)).size)));
  const long = `--long=${Math.max(27, windowLog)}`;
  // One thread: with more it cuts the input into sections, and the patch of Node's runtime gets half as long again.
  const made = await measured(
    'zstd',
    ['-q', '-f', '-9', '--single-thread', long, `--patch-from=${previousFile}`, nextFile, '-o', patch],
    work,
  );
  const applied = await measured(
    'zstd',
    ['-q', '-f', '-d', long, `--patch-from=${previousFile}`, patch, '-o', join(work, 'out')],
    work,
  );
  same(join(work, 'out'), nextFile);
  return sum((await stat(patch)).size, [made, applied], `-9 --single-thread ${long}`);
}

async function xdelta({ previousFile, nextFile, work }: Pair): Promise<PeerResult> {
  const patch = join(work, 'patch.xdelta');
  const window = String(2 ** Math.ceil(Math.log2((await stat(previousFile)).size)));
  const made = await measured('xdelta3', ['-9', '-f', '-e', '-B', window, '-s', previousFile, nextFile, patch], work);
  const applied = await measured(
    'xdelta3',
    ['-f', '-d', '-B', window, '-s', previousFile, patch, join(work, 'out')],
    work,
  );
  same(join(work, 'out'), nextFile);
  return sum((await stat(patch)).size, [made, applied], `-9 -B ${window}`);
}

async function rsync({ previous, next, work }: Pair): Promise<PeerResult> {
  const tries: PeerResult[] = [];
  for (const blockBytes of [undefined, 4096, 2048, 1024]) {
    const destination = join(work, 'destination');
    await rm(destination, { recursive: true, force: true });
    await mkdir(destination);
    const isFolder = (await stat(next)).isDirectory();
    await cp(previous, isFolder ? destination : join(destination, basename(next)), {
      recursive: true,
    });
    const options = [
      '-r',
      '-l',
      '-p',
      '--checksum',
      '--no-whole-file',
      '--delete',
      '--stats',
      '-z',
      '--compress-choice=zstd',
      '--compress-level=9',
    ];
    if (blockBytes) options.push(`--block-size=${blockBytes}`);
    const moved = await measured('rsync', [...options, isFolder ? `${next}/` : next, `${destination}/`], work);
    same(isFolder ? destination : join(destination, basename(next)), next);
    const bytes = [...moved.stdout.matchAll(/Total bytes (?:sent|received): ([\d,.]+)/g)].reduce(
      (total, [, count]) => total + Number(count!.replace(/[,.]/g, '')),
      0,
    );
    tries.push(sum(bytes, [moved], `-z zstd 9, blocks of ${blockBytes ?? 'its own choice'}`));
  }
  return best(tries);
}

async function casync({ previous, next, work }: Pair): Promise<PeerResult> {
  const tries: PeerResult[] = [];
  for (const chunkBytes of [65_536, 16_384]) {
    const [oldStore, newStore] = [join(work, `old-${chunkBytes}.castr`), join(work, `new-${chunkBytes}.castr`)];
    const index = (await stat(next)).isDirectory() ? 'index.caidx' : 'index.caibx';
    const options = [`--chunk-size=${chunkBytes}`];
    await measured('casync', ['make', ...options, `--store=${oldStore}`, join(work, `old-${index}`), previous], work);
    const made = await measured('casync', ['make', ...options, `--store=${newStore}`, join(work, index), next], work);
    const known = new Set(await filesBelow(oldStore));
    let bytes = (await stat(join(work, index))).size;
    for (const chunk of await filesBelow(newStore))
      if (!known.has(chunk)) bytes += (await stat(join(newStore, chunk))).size;
    const out = join(work, `out-${chunkBytes}`);
    const seed = `--seed=${previous}`;
    const applied = await measured('casync', ['extract', seed, `--store=${newStore}`, join(work, index), out], work);
    same(out, next);
    tries.push(sum(bytes, [made, applied], `chunks of ${chunkBytes}`));
  }
  return best(tries);
}

async function filesBelow(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.cacnk'));
}

function best(tries: PeerResult[]): PeerResult {
  return tries.toSorted((a, b) => a.bytes - b.bytes)[0]!;
}

function sum(bytes: number, parts: { cpuSeconds: number; peakMb: number }[], settings: string): PeerResult {
  const cpuSeconds = parts.reduce((total, part) => total + part.cpuSeconds, 0);
  return { bytes, cpuSeconds, peakMb: Math.max(...parts.map(({ peakMb }) => peakMb)), settings };
}

function same(made: string, wanted: string): void {
  execFileSync('diff', ['-rq', '--no-dereference', made, wanted], { stdio: ['ignore', 2, 2] });
}
