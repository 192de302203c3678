import { announce, type Topic } from './changes.ts';
import type { Database } from './connect.ts';

// A notice within a transaction takes a lock of the whole database at commit, so that commits with notices queue up one
// behind the other. The statements of which there are thousands a second (a claim, a stage, a piece of a log, an end)
// therefore say nothing themselves: their process says once, soon after, that there was something.
//
// Nothing is lost by that. A notice only wakes those who would look anyway: every waiter polls, and reads the tables
// rather than the notice. When the process dies between commit and notice, the next poll finds what it did. And a
// notice that comes after the commit, on whichever connection, cannot wake anyone too early to see it.

const soonMs = 50;
const pending = new WeakMap<Database, Set<Topic>>();

/** Announces the topic once within the next 50 ms, however often it is asked to. Call it after the commit. */
export function announceSoon(database: Database, topic: Topic): void {
  const waiting = pending.get(database);
  if (waiting) {
    waiting.add(topic);
    return;
  }
  const topics = new Set([topic]);
  pending.set(database, topics);
  setTimeout(async () => {
    pending.delete(database);
    for (const each of topics) {
      // A pool that is closed or cut off: whoever waits polls.
      await announce(database, each).catch(() => {});
    }
  }, soonMs).unref();
}
