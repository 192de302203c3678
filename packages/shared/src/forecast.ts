import type { SourceBytes } from './swarm-view.ts';

// How long a deployment is expected to take and what it is expected to move, and what became of that.

export interface ForecastWave {
  /** From 1. */
  wave: number;
  machines: number;
  /** Until the last of its machines has the bytes, in the slowest region. */
  fetchMs: number;
  /** Putting the slot together, swap, start and health. */
  installMs: number;
  bakeMs: number;
  /** The region that takes longest; null when nothing is fetched. */
  slowestRegion: string | null;
}

export interface ForecastRegion {
  region: string;
  machines: number;
  /** Bytes that its machines fetch, all together. */
  bytes: number;
  /** What a machine's link carries each way. */
  bytesPerSecond: number;
  /** From what an earlier deployment measured there; otherwise it is assumed. */
  isMeasured: boolean;
}

/** Machines that run the same build now, which decides what they fetch. */
export interface ForecastBase {
  /** Null for machines that run none. */
  build: string | null;
  machines: number;
  bytesEach: number;
}

export interface Forecast {
  /** From when it begins until its last machine is done, its bake times included; gates and pauses are not. */
  totalMs: number;
  machines: number;
  bytes: number;
  /** Of these, what the hubs send, all together. */
  hubBytes: number;
  waves: ForecastWave[];
  regions: ForecastRegion[];
  bases: ForecastBase[];
  /** What was assumed rather than measured, in sentences. */
  assumptions: string[];
}

/** What a deployment measured, once it has ended. */
export interface Measured {
  /** From its beginning to its end, pauses included. */
  totalMs: number;
  /** Where the bytes came from; null when no hub saw any move. */
  sources: SourceBytes | null;
  /** Median time of its machines from the first report to the confirmation, without the median fetch. */
  installMs: number | null;
  /** Of regions where enough was fetched to tell. */
  regions: { region: string; machines: number; bytesPerSecond: number; fetchMs: number }[];
}

/** What is said of the two together: `took 3 m, 12 % less than the forecast of 3 m 25 s` needs this number, 1 for as foretold. */
export function ratioOf(forecast: Pick<Forecast, 'totalMs'>, measured: Pick<Measured, 'totalMs'>): number {
  return measured.totalMs / Math.max(1, forecast.totalMs);
}
