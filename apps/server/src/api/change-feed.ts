import { listen, type Topic, topics } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';

/** Tells the pages and terminals that follow along what has changed, whichever process changed it. */
export interface ChangeFeed {
  /** Calls back with a topic for every change until the returned function is called. */
  subscribe(onChange: (topic: Topic) => void): () => void;
  stop(): Promise<void>;
}

export async function openChangeFeed(database: Database): Promise<ChangeFeed> {
  const subscribers = new Set<(topic: Topic) => void>();
  const subscription = await listen(database, (topic) => {
    for (const onChange of subscribers) onChange(topic);
  });
  return {
    subscribe: (onChange) => {
      subscribers.add(onChange);
      return () => subscribers.delete(onChange);
    },
    stop: () => subscription.stop(),
  };
}

/**
 * Yields the topics that changed, gathered over at least `everyMs` so that a busy fleet costs a reader a few frames a
 * second. The first frame names every topic: whoever (re)connects reads everything once.
 */
export async function* gatherChanges(feed: ChangeFeed, everyMs: number, signal: AbortSignal): AsyncGenerator<Topic[]> {
  let changed = new Set<Topic>(topics);
  let wake = () => {};
  const unsubscribe = feed.subscribe((topic) => {
    changed.add(topic);
    wake();
  });
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      if (changed.size === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const gathered = [...changed];
      changed = new Set();
      yield gathered;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    unsubscribe();
  }
}
