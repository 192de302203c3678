import { Worker } from 'node:worker_threads';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Forecast } from '@starling/shared/forecast.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Queryable } from '../db/connect.ts';
import { Turns } from '../lib/turns.ts';
import { type Asked, whatIsKnown } from './known.ts';
import type { ThreadWork } from './thread.ts';

/** A thread that takes longer is ended; it simulates for less than a second, and large manifests take a few to plan. */
const threadTimeoutMs = 20_000;
const atOnce = 2;
const mostWaiting = 16;

/** Works forecasts out in threads of their own, a few at once, so that the server goes on answering. */
export class Forecaster {
  readonly #store: BlobStore;
  readonly #turns = new Turns(atOnce);
  #asked = 0;

  /** `store` is the main store, where manifests are. */
  constructor(store: BlobStore) {
    this.#store = store;
  }

  /** UNAVAILABLE when too many are asked for at once, or when it takes too long. */
  async forecast(where: Queryable, asked: Asked): Promise<Forecast> {
    if (this.#asked >= atOnce + mostWaiting)
      throw new StarlingError('UNAVAILABLE', 'Too many forecasts are asked for at once; ask again in a moment.');
    this.#asked += 1;
    try {
      return await this.#turns.take(async () => inThread(await whatIsKnown(where, this.#store, asked)));
    } finally {
      this.#asked -= 1;
    }
  }
}

function inThread(work: ThreadWork): Promise<Forecast> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./thread.ts', import.meta.url), { workerData: work });
    const timer = setTimeout(() => {
      reject(new StarlingError('UNAVAILABLE', 'The forecast took too long; a deployment does not need one.'));
      void thread.terminate();
    }, threadTimeoutMs);
    thread.once('message', (forecast: Forecast) => resolve(forecast));
    thread.once('error', reject);
    thread.once('exit', () => {
      clearTimeout(timer);
      reject(new Error('the thread of a forecast ended without one'));
    });
  });
}
