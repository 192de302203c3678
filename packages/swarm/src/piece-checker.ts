import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { PieceBuffer } from './piece-buffers.ts';
import type { RecordPlace } from './piece-record.ts';

interface Place {
  fd: number;
  /** In the file, in bytes. */
  position: number;
  length: number;
  /** As `isPiece` takes it. */
  digest: string;
}

/** To the thread: with the name of memory, check it and write it to the file when it is right; without, check the file. */
export type PieceOrder = Place & { id: number; memory?: number; record?: RecordPlace | undefined };
/** Memory that is used again and again is handed over once: each time anew, it would keep both collectors busy. */
export type MemoryLoan = { name: number; memory: SharedArrayBuffer } | { forgetAll: true };
export type PieceAnswer =
  | { id: number; isRight: boolean }
  | { id: number; error: { message: string; code?: string | undefined } };

const threadsAtMost = 2;
/** An idle thread costs memory; it is started again in some 30 ms. */
const idleAfterMs = 30_000;
/** Memory that one thread knows by name; what it no longer needs it would keep for ever. */
const lentAtMostBytes = 64 * 1024 * 1024;

interface Thread {
  worker: Worker;
  orders: Map<number, PromiseWithResolvers<boolean>>;
  lent: Map<SharedArrayBuffer, number>;
  lentBytes: number;
}

/** Checks pieces, and writes those that are right, in threads that are started when there is something to do. */
export class PieceChecker {
  readonly #threads = new Set<Thread>();
  readonly #limit = Math.min(threadsAtMost, availableParallelism());
  #nextId = 1;
  #idle: NodeJS.Timeout | undefined;
  #isResting = false;

  /** False when the bytes are not those of the digest; nothing is written then. Notes in `record` that it did. Rejects with the system's error. */
  write(bytes: PieceBuffer, place: Omit<Place, 'length'>, record?: RecordPlace): Promise<boolean> {
    return this.#order({ ...place, length: bytes.length, record }, bytes.buffer);
  }

  /** Whether the file holds these bytes. */
  look(place: Place): Promise<boolean> {
    return this.#order(place);
  }

  /** Starts a thread ahead of the first piece, which would wait for it. */
  warm(): void {
    if (this.#threads.size === 0) this.#start().worker.unref();
  }

  /** Ends the threads as soon as they have nothing to do, rather than a while later. */
  rest(): void {
    this.#isResting = true;
    if (!this.#isBusy()) void this.close();
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const threads = [...this.#threads];
    // One that is ending takes no more orders.
    this.#threads.clear();
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  #order(order: Omit<PieceOrder, 'id' | 'memory'>, memory?: SharedArrayBuffer): Promise<boolean> {
    clearTimeout(this.#idle);
    this.#isResting = false;
    const thread = this.#leastBusy();
    const id = this.#nextId++;
    const answered = Promise.withResolvers<boolean>();
    thread.orders.set(id, answered);
    thread.worker.ref();
    const named = memory && { memory: this.#lend(thread, memory) };
    thread.worker.postMessage({ ...order, ...named, id } satisfies PieceOrder);
    return answered.promise;
  }

  #lend(thread: Thread, memory: SharedArrayBuffer): number {
    const known = thread.lent.get(memory);
    if (known !== undefined) return known;
    if (thread.lentBytes + memory.byteLength > lentAtMostBytes) {
      thread.worker.postMessage({ forgetAll: true } satisfies MemoryLoan);
      thread.lent.clear();
      thread.lentBytes = 0;
    }
    const name = thread.lent.size;
    thread.lent.set(memory, name);
    thread.lentBytes += memory.byteLength;
    thread.worker.postMessage({ name, memory } satisfies MemoryLoan);
    return name;
  }

  #leastBusy(): Thread {
    const [thread] = [...this.#threads].sort((a, b) => a.orders.size - b.orders.size);
    return thread && (thread.orders.size === 0 || this.#threads.size >= this.#limit) ? thread : this.#start();
  }

  #start(): Thread {
    const worker = new Worker(new URL('./piece-worker.ts', import.meta.url), {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    const thread: Thread = { worker, orders: new Map(), lent: new Map(), lentBytes: 0 };
    this.#threads.add(thread);
    worker.on('message', (answer: PieceAnswer) => this.#answered(thread, answer));
    worker.on('error', (error: Error) => this.#ended(thread, error));
    worker.on('exit', () => this.#ended(thread, new Error('the thread that checks pieces ended')));
    return thread;
  }

  #answered(thread: Thread, answer: PieceAnswer): void {
    const order = thread.orders.get(answer.id);
    thread.orders.delete(answer.id);
    if (thread.orders.size === 0) thread.worker.unref();
    if ('error' in answer) order?.reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }));
    else order?.resolve(answer.isRight);
    if (this.#isBusy()) return;
    clearTimeout(this.#idle);
    if (this.#isResting) void this.close();
    else this.#idle = setTimeout(() => void this.close(), idleAfterMs).unref();
  }

  #isBusy(): boolean {
    return [...this.#threads].some(({ orders }) => orders.size > 0);
  }

  #ended(thread: Thread, error: Error): void {
    this.#threads.delete(thread);
    for (const order of thread.orders.values()) order.reject(error);
    thread.orders.clear();
  }
}
