import { FileStream, type StreamFile } from './file-stream.ts';
import { type JobKind, jobs } from './jobs.ts';

/** Runs jobs over streams that are opened when they are first asked for: what a thread does, and a pool without threads. */
export class JobRunner {
  readonly #streams: Record<string, readonly StreamFile[]>;
  readonly #writable: readonly string[];
  readonly #opened = new Map<string, FileStream>();

  constructor(streams: Record<string, readonly StreamFile[]>, writable: readonly string[]) {
    this.#streams = streams;
    this.#writable = writable;
  }

  run(job: { kind: JobKind }): object {
    return jobs[job.kind](job as never, (name) => this.#open(name));
  }

  close(): void {
    for (const stream of this.#opened.values()) stream.close();
    this.#opened.clear();
  }

  #open(name: string): FileStream {
    const known = this.#opened.get(name);
    if (known) return known;
    const files = this.#streams[name];
    if (!files) throw new Error(`there is no stream ${name}`);
    const stream = new FileStream(files, this.#writable.includes(name) ? 'write' : 'read');
    this.#opened.set(name, stream);
    return stream;
  }
}
