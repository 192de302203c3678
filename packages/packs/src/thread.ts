import { parentPort, workerData } from 'node:worker_threads';
import { FileStream, type StreamFile } from './file-stream.ts';
import { type JobKind, jobs, type Streams, transferablesOf } from './jobs.ts';

// What a thread of the pool runs: one job after another, over streams that it opens when first asked for them.

const { streams, writable } = workerData as { streams: Record<string, StreamFile[]>; writable: string[] };
const opened = new Map<string, FileStream>();
const open: Streams = (name) => {
  const known = opened.get(name);
  if (known) return known;
  const files = streams[name];
  if (!files) throw new Error(`there is no stream ${name}`);
  const stream = new FileStream(files, writable.includes(name) ? 'write' : 'read');
  opened.set(name, stream);
  return stream;
};

parentPort!.on('message', (job: { kind: JobKind }) => {
  try {
    const result = jobs[job.kind](job as never, open);
    parentPort!.postMessage({ result }, transferablesOf(result));
  } catch (error) {
    // A copy of an error does not have its code.
    parentPort!.postMessage({ error, code: (error as NodeJS.ErrnoException).code });
  }
});
