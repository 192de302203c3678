/// <reference path="./webtorrent.d.ts" />
import type WebTorrent from 'webtorrent';
import type { ThrottleGroup } from 'webtorrent';
import type { RateLine, TokenBucket } from './token-bucket.ts';

/** WebTorrent asks for as much at once: a block, as BitTorrent's requests are. */
const sliceBytes = 16 * 1024;

/**
 * Lets all that WebTorrent sends and receives, its headers too, pass through the process's own limits. Its own limits
 * would be beside those, and both together could be twice what was allowed: so its buckets are replaced.
 *
 * What it returns lets go of everything that waits; WebTorrent must not be used any more then.
 */
export function limitStockClients(
  client: WebTorrent,
  { sending, receiving }: { sending?: TokenBucket; receiving?: TokenBucket },
): () => void {
  const { up, down } = client.throttleGroups;
  const closings = [
    ...(sending ? [limitGroup(up, sending.line())] : []),
    ...(receiving ? [limitGroup(down, receiving.line())] : []),
  ];
  return () => {
    for (const close of closings) close();
  };
}

function limitGroup(group: ThrottleGroup, line: RateLine): () => void {
  const waiting = new Set<() => void>();
  group.setEnabled(true);
  group.chunksize = sliceBytes;
  group.bucket = {
    // Only looked at for 0, which would stop everything.
    tokensPerInterval: 1,
    tryRemoveTokens: (count) => {
      if (!line.isOpen()) return false;
      line.take(count);
      return true;
    },
    removeTokens: (count, done) => {
      const leave = line.wait(() => {
        waiting.delete(leave);
        line.take(count);
        done(null);
      });
      waiting.add(leave);
    },
  };
  return () => {
    for (const leave of waiting) leave();
  };
}
