import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { type BlobStore, manifestKey, packKey } from '../blobs/blob-store.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import { copyVerified } from './copy-verified.ts';
import type { DueReplica, NamedPack, ReplicaRows } from './ports.ts';

export interface SynchronizerOptions {
  rows: ReplicaRows;
  main: BlobStore;
  /** Each region's own store, by region name. */
  regions: ReadonlyMap<string, BlobStore>;
  /** The longest pause between two passes; a nudge starts one at once. */
  everyMs: number;
  clock: Clock;
  log: Logger;
}

const progressEveryMs = 500;
const firstRetryMs = 5_000;
const longestRetryMs = 5 * 60_000;

/**
 * Brings every completed build to every region. Regions are served side by side, and within one the oldest build
 * first, so a slow or broken region holds up no other. A pass that is killed is simply done again: what was copied is
 * found by its digest.
 */
export function startSynchronizer(options: SynchronizerOptions): Loop {
  const { rows, everyMs, clock, log } = options;
  return new Loop({
    name: 'synchronizer',
    everyMs,
    clock,
    log,
    pass: async (signal) => {
      const due = await rows.due();
      const byRegion = Map.groupBy(due, (replica) => replica.region);
      await Promise.all([...byRegion.values()].map((replicas) => copyInTurn(replicas, options, signal)));
    },
  }).start();
}

async function copyInTurn(replicas: DueReplica[], options: SynchronizerOptions, signal: AbortSignal): Promise<void> {
  for (const replica of replicas) {
    if (signal.aborted) return;
    try {
      await replicate(replica, options, signal);
    } catch (thrown) {
      if (signal.aborted) return;
      const retryAfterMs = Math.min(firstRetryMs * 2 ** Math.min(replica.attempts, 10), longestRetryMs);
      options.log.warn(`${replica.build} to ${replica.region}: ${messageOf(thrown)}`);
      await options.rows.failed(replica, messageOf(thrown), retryAfterMs);
    }
  }
}

async function replicate(
  replica: DueReplica,
  { rows, main, regions, clock }: SynchronizerOptions,
  signal: AbortSignal,
) {
  const to = regions.get(replica.region);
  if (!to) {
    throw new StarlingError('UNAVAILABLE', `no blob store is configured for region ${replica.region}`, {
      field: 'STARLING_REGIONS',
      fix: 'Add the region with its blob store to the configuration of control and restart it.',
    });
  }
  const { manifest } = replica;
  const lacking = await lackingIn(to, replica);
  const sizeOf = (blobs: readonly { sizeBytes: number }[]) => blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  await rows.copying(replica, sizeOf(lacking) + manifest.sizeBytes);
  let shownAt = 0;
  const progress = (bytesDone: number) => {
    if (clock.now() - shownAt < progressEveryMs) return;
    shownAt = clock.now();
    // A lost progress row is made good by the next one; a database that is away shows at the end of the copy.
    rows.progress(replica, bytesDone).catch(() => {});
  };
  for (const [index, pack] of lacking.entries()) {
    const before = sizeOf(lacking.slice(0, index));
    const { sha256, sizeBytes } = pack;
    const onProgress = (bytesDone: number) => progress(before + bytesDone);
    await copyVerified({ key: packKey(sha256), sha256, sizeBytes, from: main, to, signal, onProgress });
  }
  // The manifest last: where it is, its packs are.
  await copyVerified({ key: manifestKey(manifest.sha256), ...manifest, from: main, to, signal, onProgress: () => {} });
  await rows.replicated(replica);
}

/** The packs that a region does not have, or of which nobody has checked that it has them. */
async function lackingIn(to: BlobStore, { packs }: DueReplica): Promise<NamedPack[]> {
  const lacking = [];
  for (const pack of packs) {
    const isThere = pack.isChecked && (await to.sizeOf(packKey(pack.sha256))) === pack.sizeBytes;
    if (!isThere) lacking.push(pack);
  }
  return lacking;
}
