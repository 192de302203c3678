import type { Clock } from '@starling/shared/clock.ts';
import type { Api } from './client.ts';

// How a wait learns that there is something new. The server streams the topics that changed; a stream may be cut, or a
// proxy may hold it back, so state is also read again after a while. What the stream says is never taken as state:
// a lost message costs a moment, not the truth.

export type Topic = 'jobs' | 'cancellations' | 'replicas' | 'deployments' | 'machines' | 'version-keys' | 'projects';

export interface LiveChanges {
  /** Resolves when one of the topics changed since the last call, when it is time to read anyway, or on abort. */
  next(topics: readonly Topic[], signal: AbortSignal): Promise<void>;
  close(): void;
}

/** With a stream, how long silence is believed, in milliseconds. */
const readAnywayMs = 10_000;
/** Without one. */
export const pollMs = 2_000;
const resubscribeMs = 5_000;

export function followChanges(api: Api, clock: Clock): LiveChanges {
  const changed = new Set<string>();
  const closed = new AbortController();
  let streaming = false;
  let wake = () => {};
  let unsubscribe = () => {};

  subscribe();
  return {
    next: async (topics, signal) => {
      const until = clock.now() + (streaming ? readAnywayMs : pollMs);
      while (!signal.aborted && !closed.signal.aborted) {
        const news = topics.filter((topic) => changed.delete(topic));
        const restMs = until - clock.now();
        if (news.length > 0 || restMs <= 0) return;
        const rested = new AbortController();
        wake = () => rested.abort();
        await clock.sleep(restMs, AbortSignal.any([rested.signal, signal, closed.signal]));
      }
    },
    close: () => {
      closed.abort();
      unsubscribe();
    },
  };

  function subscribe(): void {
    if (closed.signal.aborted) return;
    const subscription = api.overview.changes.subscribe(undefined, {
      onData: (topics) => {
        streaming = true;
        for (const topic of topics) changed.add(topic);
        wake();
      },
      onConnectionStateChange: ({ state }) => {
        if (state !== 'connecting') return;
        streaming = false;
      },
      onError: retryLater,
      onComplete: retryLater,
    });
    unsubscribe = () => subscription.unsubscribe();
  }

  function retryLater(): void {
    streaming = false;
    unsubscribe = () => {};
    void clock.sleep(resubscribeMs, closed.signal).then(subscribe);
  }
}
