import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { type BlobStore, manifestKey, packKey } from '../blobs/blob-store.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import { copyVerified } from './copy-verified.ts';
import type { DueReplica, ReplicaRows } from './ports.ts';

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
  await rows.copying(replica);
  let shownAt = 0;
  const progress = (bytesDone: number) => {
    if (clock.now() - shownAt < progressEveryMs) return;
    shownAt = clock.now();
    // A lost progress row is made good by the next one; a database that is away shows at the end of the copy.
    rows.progress(replica, bytesDone).catch(() => {});
  };
  const { manifest, pack } = replica;
  await copyVerified({ key: packKey(pack.sha256), ...pack, from: main, to, signal, onProgress: progress });
  await copyVerified({ key: manifestKey(manifest.sha256), ...manifest, from: main, to, signal, onProgress: () => {} });
  await rows.replicated(replica);
}
