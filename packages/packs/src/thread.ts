import { parentPort, workerData } from 'node:worker_threads';
import type { StreamFile } from './file-stream.ts';
import { freeBuffers } from './free-buffers.ts';
import { type JobKind, transferablesOf } from './jobs.ts';
import { JobRunner } from './run-job.ts';

// What a thread of the pool runs: one job after another.

const { streams, writable } = workerData as { streams: Record<string, StreamFile[]>; writable: string[] };
const runner = new JobRunner(streams, writable);

parentPort!.on('message', (job: { kind: JobKind }) => {
  try {
    const result = runner.run(job);
    parentPort!.postMessage({ result }, transferablesOf(result));
    freeBuffers();
  } catch (error) {
    // A copy of an error does not have its code.
    parentPort!.postMessage({ error, code: (error as NodeJS.ErrnoException).code });
  }
});
