import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Pack } from '@starling/shared/manifest.ts';
import { TorrentHasher } from '@starling/swarm/torrent-info.ts';
import type { Contestant } from './contestant.ts';

const MiB = 1024 * 1024;

/** Writes random bytes and describes them. */
export async function writePack(path: string, sizeBytes: number): Promise<Pack> {
  const hasher = new TorrentHasher('pack', sizeBytes);
  const sha256 = createHash('sha256');
  const file = await open(path, 'w');
  for (let left = sizeBytes; left > 0; ) {
    const block = randomFillSync(Buffer.allocUnsafe(Math.min(left, 8 * MiB)));
    hasher.update(block);
    sha256.update(block);
    await file.write(block);
    left -= block.length;
  }
  await file.close();
  return { sha256: sha256.digest('hex'), sizeBytes, torrent: hasher.finish() };
}

/**
 * Writes as many bytes that are others than the pack's. Memory that was idle is slow to touch on some virtual machines:
 * so the files of a race are there before it, and are overwritten in place.
 */
export async function fill(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w');
  const block = Buffer.alloc(8 * MiB, 1);
  for (let left = bytes; left > 0; left -= block.length)
    await file.write(block.subarray(0, Math.min(left, block.length)));
  await file.close();
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 4 * MiB })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Where writing costs no disk, so that the swarm is what is measured. */
export async function memoryFolder(): Promise<string> {
  return access('/dev/shm').then(
    () => '/dev/shm',
    () => tmpdir(),
  );
}

/** Those that can take part, with their versions; the others are named loudly. */
export async function presentOf(contestants: readonly Contestant[], names: readonly string[]) {
  const present: Contestant[] = [];
  const versions: Record<string, string> = {};
  for (const contestant of contestants.filter(({ name }) => names.includes(name))) {
    const found = await contestant.version();
    if ('missing' in found) {
      process.stderr.write(`\n*** ${contestant.name} IS NOT COMPARED: ${found.missing} ***\n\n`);
    } else {
      present.push(contestant);
      versions[contestant.name] = found.version;
    }
  }
  return { present, versions };
}
