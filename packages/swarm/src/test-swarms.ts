import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestClock } from '@starling/shared/clock.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { onTestFinished } from 'vitest';
import { openSwarm } from './open-swarm.ts';
import type { Swarm } from './swarm.ts';
import { TorrentHasher } from './torrent-info.ts';

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-swarm-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A swarm on loopback that is closed after the test. */
export async function loopbackSwarm(maxConnections = 50): Promise<Swarm> {
  const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections });
  onTestFinished(() => swarm.close());
  return swarm;
}

/** Writes random bytes to `path` and describes them. */
export async function randomPack(path: string, sizeBytes: number): Promise<{ pack: Pack; bytes: Buffer }> {
  const bytes = randomFillSync(Buffer.allocUnsafe(sizeBytes));
  await writeFile(path, bytes);
  return { pack: packOf(bytes), bytes };
}

export function packOf(bytes: Buffer): Pack {
  const hasher = new TorrentHasher('pack', bytes.length);
  hasher.update(bytes);
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    sizeBytes: bytes.length,
    torrent: hasher.finish(),
  };
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Looks every few milliseconds until `isSo`; the test's own timeout is the limit. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Lets a clock go on, a little at a time, until it is so; the test's own timeout is the limit. */
export async function advanceUntil(clock: TestClock, isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await clock.advance(10);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
