import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { systemClock } from '@starling/shared/clock.ts';
import { Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { openBlobStore } from './blobs/open-store.ts';
import type { JobQueue } from './builder/ports.ts';
import { startWorker } from './builder/worker.ts';
import { recipeEnvironment, type WorkerConfig } from './config.ts';
import { listen } from './db/changes.ts';
import { connect, disconnect } from './db/connect.ts';
import { ownIdentity } from './identities/own-identity.ts';
import { jobQueue } from './jobs/queue.ts';
import { requeueAbandoned } from './jobs/requeue-abandoned.ts';
import { createLogger } from './lib/log.ts';
import { sayReady, untilStopped } from './lib/process-life.ts';
import { hashOfToken } from './lib/random-token.ts';
import { startCommandTasks } from './tasks/run-command-tasks.ts';
import { serverVersion } from './version.ts';
import { type Registration, registerWorker } from './workers/registration.ts';

/** A worker that is stopped within a transaction must not keep its job from those that put it back. */
const idleInTransactionMs = 30_000;

/** The worker role: builds one job at a time. */
export async function runWorker(config: WorkerConfig): Promise<void> {
  const name = config.STARLING_WORKER;
  const log = createLogger(name, config.STARLING_LOG_LEVEL);
  const database = connect(config.DATABASE_URL, { applicationName: name, maxConnections: 4, idleInTransactionMs });
  let registration: Registration | undefined;
  const jobs = jobQueue(database);
  const queue: JobQueue = {
    ...jobs,
    // Nothing under a name that is not, or no longer, ours.
    take: async (worker, options) => (registration?.held ? jobs.take(worker, options) : []),
    complete: (attempt, build, next) => jobs.complete(attempt, build, registration?.held ? next : undefined),
  };
  // First, because it locks the data folder: whoever was registered from there is dead from then on.
  const signer = new Signer('manifest', config.STARLING_MANIFEST_SIGNING_KEY);
  const worker = await startWorker({
    name,
    labels: config.STARLING_WORKER_LABELS,
    dataDir: config.STARLING_DATA,
    queue,
    blobs: openBlobStore(config.STARLING_BLOBS),
    signer,
    trusted: new TrustedKeys('manifest', [signer.publicPem, ...(config.STARLING_MANIFEST_PUBLIC_KEYS ?? [])]),
    treeBudgetBytes: config.STARLING_TREE_BUDGET,
    environment: recipeEnvironment(),
    clock: systemClock,
    log,
    pollMs: config.STARLING_POLL_EVERY,
    heartbeatMs: config.STARLING_HEARTBEAT_EVERY,
  });
  const secret = await ownIdentity({
    kind: 'worker',
    name,
    region: null,
    dataDir: config.STARLING_DATA,
    controlUrl: config.STARLING_CONTROL_URL,
    tokenFile: config.STARLING_ENROLMENT_TOKEN_FILE,
    clock: systemClock,
    log,
  });
  const registered = await registerWorker({
    database,
    worker: {
      name,
      labels: config.STARLING_WORKER_LABELS,
      place: `${hostname()}:${resolve(config.STARLING_DATA)}`,
      version: serverVersion,
      credentialHash: hashOfToken(secret),
    },
    clock: systemClock,
    log,
  });
  if (registered.inherited) {
    const back = await requeueAbandoned(database, name);
    if (back.length > 0) log.warn({ jobs: back }, 'put back what this worker was building when it was killed');
  }
  registration = registered;
  worker.wake();
  const tasks = await startCommandTasks({
    database,
    worker: name,
    labels: config.STARLING_WORKER_LABELS,
    dataDir: config.STARLING_DATA,
    environment: recipeEnvironment(),
    clock: systemClock,
    log,
  });
  const subscription = await listen(database, (topic) => {
    if (topic === 'deployments') tasks.nudge();
    if (topic === 'jobs') worker.wake();
    if (topic === 'cancellations') worker.recheck();
  });
  sayReady({ name });
  const drainMs = config.STARLING_DRAIN_ON_STOP;
  untilStopped(
    log,
    async (hurry) => {
      if (drainMs > 0) await registered.leave();
      await Promise.all([tasks.stop(), worker.stop({ drainMs, hurry })]);
      await subscription.stop();
      await registered.stop();
      await disconnect(database);
    },
    drainMs,
  );
}
