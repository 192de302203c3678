// What the three queues have in common as far as this benchmark goes.

export const systems = ['starling', 'graphile-worker', 'pg-boss'] as const;
export type System = (typeof systems)[number];

/** How jobs are claimed and completed: each with a statement of its own, or many with one. */
export type Mode = 'one' | 'batched';

export interface Contender {
  /** Empties the tables, so that each measurement begins alike. */
  reset(): Promise<void>;
  /** Queues `count` jobs: one statement a job from `workers` callers at once, or bulk statements. Returns milliseconds. */
  enqueue(count: number, workers: number, mode: Mode): Promise<number>;
  /** Lets `workers` workers claim and complete all of them. Returns milliseconds from the first claim to the last completion. */
  work(count: number, workers: number, mode: Mode): Promise<number>;
  /** How many jobs are neither waiting nor held: all of them, after `work`. */
  completed(): Promise<number>;
  close(): Promise<void>;
}

export interface ContenderOptions {
  /** The socket folder of the server. */
  host: string;
  database: string;
  /** How many connections the pool has. */
  connections: number;
  /** Jobs a statement in batched mode. */
  batch: number;
}

/** Runs `lanes` copies of a loop at once, each until it returns false; milliseconds that took. */
export async function timeLanes(lanes: number, step: (lane: number) => Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      while (await step(lane));
    }),
  );
  return performance.now() - startedAt;
}
