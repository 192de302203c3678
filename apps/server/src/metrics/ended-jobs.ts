import { sql } from 'drizzle-orm';
import type { Database } from '../db/connect.ts';

/** The upper bounds of the histogram's buckets, in seconds. */
export const durationBounds = [5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600] as const;

export interface EndedJobs {
  /** How many ended so, by status. */
  ended: Map<string, number>;
  /** By status: how many took how long. `buckets` has one place for each bound and one for what took longer. */
  durations: Map<string, { buckets: number[]; seconds: number }>;
}

interface Row extends Record<string, unknown> {
  until: string;
  status: string;
  bucket: number | null;
  jobs: number;
  seconds: number;
}

/**
 * Counts the jobs that ended, from the first one on. All of them are read once; then only those that ended since, by
 * index. What ended within `lagMs` is left for later, as a transaction that is under way may yet write an earlier time;
 * so every server counts the same jobs.
 */
export class EndedJobsCounter {
  readonly #database: Database;
  readonly #lagMs: number;
  readonly #counts: EndedJobs = { ended: new Map(), durations: new Map() };
  #after = '-infinity';

  constructor(database: Database, lagMs = 30_000) {
    this.#database = database;
    this.#lagMs = lagMs;
  }

  /** Not to be called again before it has resolved. */
  async read(): Promise<EndedJobs> {
    const bounds = sql.raw(`array[${durationBounds.map((bound) => bound * 1_000).join(', ')}]::float8[]`);
    // Half a millisecond less, the smallest difference there is: a bound belongs to the bucket that it ends.
    const rows = await this.#database.execute<Row>(sql`
      with span as (
        select ${this.#after}::timestamptz as after, now() - ${this.#lagMs} * interval '1 millisecond' as until
      ), ended as (
        select jobs.status, span.until,
          case when jobs.status in ('SUCCEEDED', 'FAILED')
            then extract(epoch from finished_at - started_at)::float8 * 1000 end as ms
        from span, jobs
        where finished_at is not null and finished_at > span.after and finished_at <= span.until
      )
      select until::text, status, width_bucket(ms - 0.5, ${bounds}) as bucket,
        count(*)::int as jobs, coalesce(sum(ms) / 1000, 0)::float8 as seconds
      from ended group by until, status, bucket`);
    for (const { status, bucket, jobs, seconds, until } of rows) {
      this.#after = until;
      this.#counts.ended.set(status, (this.#counts.ended.get(status) ?? 0) + jobs);
      if (bucket === null) continue;
      const durations = this.#counts.durations.get(status) ?? {
        buckets: durationBounds.map(() => 0).concat(0),
        seconds: 0,
      };
      durations.buckets[bucket]! += jobs;
      durations.seconds += seconds;
      this.#counts.durations.set(status, durations);
    }
    return this.#counts;
  }
}
