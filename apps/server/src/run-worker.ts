import { systemClock } from '@starling/shared/clock.ts';
import { Signer } from '@starling/shared/signing.ts';
import { openBlobStore } from './blobs/open-store.ts';
import { startWorker } from './builder/worker.ts';
import { recipeEnvironment, type WorkerConfig } from './config.ts';
import { listen } from './db/changes.ts';
import { connect, disconnect } from './db/connect.ts';
import { jobQueue } from './jobs/queue.ts';
import { createLogger } from './lib/log.ts';
import { sayReady, untilStopped } from './lib/process-life.ts';

/** The worker role: builds one job at a time. */
export async function runWorker(config: WorkerConfig): Promise<void> {
  const log = createLogger(config.STARLING_WORKER, config.STARLING_LOG_LEVEL);
  const database = connect(config.DATABASE_URL, { applicationName: config.STARLING_WORKER, maxConnections: 4 });
  const worker = await startWorker({
    name: config.STARLING_WORKER,
    dataDir: config.STARLING_DATA,
    queue: jobQueue(database),
    blobs: openBlobStore(config.STARLING_BLOBS),
    signer: new Signer('manifest', config.STARLING_MANIFEST_SIGNING_KEY),
    environment: recipeEnvironment(),
    clock: systemClock,
    log,
    pollMs: config.STARLING_POLL_EVERY,
    heartbeatMs: config.STARLING_HEARTBEAT_EVERY,
  });
  const subscription = await listen(database, (topic) => {
    if (topic === 'jobs') worker.wake();
    if (topic === 'cancellations') worker.recheck();
  });
  sayReady({ name: config.STARLING_WORKER });
  untilStopped(log, async () => {
    await subscription.stop();
    await worker.stop();
    await disconnect(database);
  });
}
