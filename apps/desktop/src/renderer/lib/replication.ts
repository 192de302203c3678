import { formatEta, percentOf } from './format.ts';

interface ReplicaFacts {
  region: string;
  status: string;
  bytesDone: number;
  bytesTotal: number;
  startedAt: string | null;
  failureReason: string | null;
}

/**
 * Why a build cannot be deployed yet and for how long, for example
 * `6 of 7 regions have it: eu-west 83 %, about 2 min`. `fallback` is what the server said; null when it can be deployed. `brief` names only the first missing region.
 */
export function whyWaiting(
  replicas: readonly ReplicaFacts[],
  fallback: string | null,
  now: number,
  brief = false,
): string | null {
  if (fallback === null) return null;
  // What failed holds the others up the longest.
  const missing = replicas
    .filter((replica) => replica.status !== 'REPLICATED')
    .sort((a, b) => Number(b.status === 'FAILED') - Number(a.status === 'FAILED'));
  if (missing.length === 0) return fallback;
  const there = replicas.length - missing.length;
  const named = brief ? 1 : 3;
  const details = missing.slice(0, named).map((replica) => {
    if (replica.status === 'FAILED') {
      return brief
        ? `${replica.region} failed`
        : `${replica.region} failed: ${replica.failureReason ?? 'unknown reason'}`;
    }
    if (replica.status === 'PENDING') return `${replica.region} waits`;
    const etaMs = copyEtaMs(replica, now);
    const percent = `${replica.region} ${percentOf(replica.bytesDone, replica.bytesTotal)} %`;
    return etaMs === null ? percent : `${percent}, ${formatEta(etaMs)}`;
  });
  const more = missing.length > named ? `; and ${missing.length - named} more` : '';
  return `${there} of ${replicas.length} regions have it: ${details.join('; ')}${more}`;
}

/** Milliseconds until a copy is complete at its average rate so far; null while there is nothing to go by. */
export function copyEtaMs(replica: ReplicaFacts, now: number): number | null {
  if (replica.status !== 'COPYING' || !replica.startedAt || replica.bytesDone <= 0) return null;
  const elapsedMs = now - Date.parse(replica.startedAt);
  if (elapsedMs < 1_000) return null;
  return ((replica.bytesTotal - replica.bytesDone) / replica.bytesDone) * elapsedMs;
}
