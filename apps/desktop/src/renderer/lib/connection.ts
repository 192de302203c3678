import type { QueryKey } from '@tanstack/react-query';
import { create } from 'zustand';
import { api, client, queryClient } from './api.ts';
import { backoffMs, type ChangeTopic, groupsOf, type ReadGroup } from './freshness.ts';
import { platform } from './platform.ts';

interface ConnectionState {
  state: 'connecting' | 'live' | 'stale';
  /** When what is on the page was last known to be true, in milliseconds since the epoch. */
  freshAt: number | null;
  /** Attempts to reconnect since it was cut. */
  attempts: number;
  /** When the next attempt is made. */
  retryAt: number | null;
}

export const useConnection = create<ConnectionState>()(() => ({
  state: 'connecting',
  freshAt: null,
  attempts: 0,
  retryAt: null,
}));

const keysOfGroup: Record<ReadGroup, () => QueryKey> = {
  overview: () => api.overview.get.queryKey(),
  projects: () => api.projects.pathKey(),
  jobs: () => api.jobs.pathKey(),
  builds: () => api.builds.pathKey(),
  deployments: () => api.deployments.pathKey(),
  machines: () => api.machines.pathKey(),
  approvals: () => api.approvals.pathKey(),
  // Not the trends: they are slow to compute, and one deployment hardly changes them.
  history: () => api.history.list.pathKey(),
  queue: () => api.queue.pathKey(),
  regions: () => api.regions.pathKey(),
  swarm: () => api.swarm.pathKey(),
  freezes: () => api.freezes.pathKey(),
  line: () => api.line.pathKey(),
  quarantines: () => api.quarantines.pathKey(),
  alerts: () => api.alerts.pathKey(),
};

const refreshEveryMs = 400;
const heartbeatEveryMs = 15_000;
const answerWithinMs = 10_000;

/**
 * Keeps the page true: one stream names what changed, and the reads of it are repeated, a few times a second at most.
 * When the stream is cut the page says since when it is old, tries again with growing pauses, and after that reads
 * everything once more (the first frame of a stream names every topic). Returns how to stop.
 */
export function followChanges(): () => void {
  let stopped = false;
  let subscription: { unsubscribe(): void } | null = null;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let silenceTimer: ReturnType<typeof setTimeout> | undefined;
  let refreshTimer: ReturnType<typeof setTimeout> | undefined;
  let generation = 0;
  const changed = new Set<ReadGroup>();
  const isWanted = () => platform.followsWhenHidden || document.visibilityState === 'visible';

  const refresh = () => {
    refreshTimer = undefined;
    for (const group of changed) void queryClient.invalidateQueries({ queryKey: keysOfGroup[group]() });
    changed.clear();
  };

  const close = () => {
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
    generation += 1;
    // Cleared first: unsubscribing may call back.
    const open = subscription;
    subscription = null;
    open?.unsubscribe();
  };

  const lost = () => {
    close();
    if (stopped || !isWanted()) return;
    const { attempts, freshAt } = useConnection.getState();
    const delayMs = backoffMs(attempts, Math.random());
    useConnection.setState({ state: 'stale', attempts: attempts + 1, retryAt: Date.now() + delayMs, freshAt });
    retryTimer = setTimeout(connect, delayMs);
  };

  const connect = () => {
    close();
    if (stopped || !isWanted()) return;
    // Callbacks may come before `subscribe` returns, and late ones of an earlier stream mean nothing.
    const mine = ++generation;
    const lostMine = () => mine === generation && subscription && lost();
    subscription = { unsubscribe: () => {} };
    subscription = client.overview.changes.subscribe(undefined, {
      onData: (topics) => {
        if (mine !== generation) return;
        useConnection.setState({ state: 'live', freshAt: Date.now(), attempts: 0, retryAt: null });
        for (const group of groupsOf(topics as ChangeTopic[])) changed.add(group);
        refreshTimer ??= setTimeout(refresh, refreshEveryMs);
      },
      onError: lostMine,
      onComplete: lostMine,
      onConnectionStateChange: (state) => {
        if (state.state === 'connecting' && state.error) lostMine();
      },
    });
    // A server that accepts and then says nothing is as lost as one that refuses.
    const freshBefore = useConnection.getState().freshAt;
    silenceTimer = setTimeout(() => useConnection.getState().freshAt === freshBefore && lostMine(), answerWithinMs);
  };

  // An idle stream looks the same as a dead one; a small question now and then tells them apart.
  const heartbeat = setInterval(() => {
    if (!subscription || !isWanted()) return;
    const asked = subscription;
    client.session.whoAmI
      .query(undefined, { signal: AbortSignal.timeout(answerWithinMs) })
      .then(() => asked === subscription && useConnection.setState({ freshAt: Date.now() }))
      .catch(() => asked === subscription && lost());
  }, heartbeatEveryMs);

  const onVisibility = () => {
    if (isWanted()) {
      if (!subscription) connect();
    } else close();
  };
  document.addEventListener('visibilitychange', onVisibility);
  window.addEventListener('online', connect);
  window.addEventListener('offline', lost);
  connect();
  reconnect = connect;

  return () => {
    stopped = true;
    close();
    clearInterval(heartbeat);
    clearTimeout(refreshTimer);
    document.removeEventListener('visibilitychange', onVisibility);
    window.removeEventListener('online', connect);
    window.removeEventListener('offline', lost);
    useConnection.setState({ state: 'connecting', freshAt: null, attempts: 0, retryAt: null });
  };
}

let reconnect = () => {};
/** Does not wait for the next attempt. */
export const reconnectNow = () => reconnect();
