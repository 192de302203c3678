/** How far back a list or a chart reaches, as addresses and the CLI say it. */
export const periods = ['1d', '7d', '30d', '90d', '365d'] as const;
export type Period = (typeof periods)[number];

const words: Record<Period, string> = {
  '1d': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  '90d': 'Last 90 days',
  '365d': 'Last year',
};
export const periodWords = (period: Period): string => words[period];
export const daysOf = (period: Period): number => Number.parseInt(period, 10);

const dayMs = 86_400_000;
const stepMs = 5 * 60_000;

/** When a period begins, ISO 8601. In steps of five minutes, so that a page asks for the same one again for a while. */
export function beginOf(period: Period, now: number): string {
  return new Date(Math.floor(now / stepMs) * stepMs - daysOf(period) * dayMs).toISOString();
}
