import { copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pack } from '@starling/shared/manifest.ts';
import type { Membership, Swarm } from '@starling/swarm/swarm.ts';

/** A swarm whose other members are a folder: fetching a pack is copying it. */
export class FakeSwarm implements Swarm {
  readonly address = { host: '127.0.0.1', port: 1 };
  readonly joined = new Set<string>();
  /** How often a pack that was not there had to be copied. */
  readonly fetched: string[] = [];
  closed = false;
  /** While set, nothing arrives. */
  stalled = false;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async join(pack: Pack, filePath: string): Promise<Membership> {
    const { infoHash } = pack.torrent;
    if (this.joined.has(infoHash)) throw new Error(`${infoHash} was joined twice`);
    this.joined.add(infoHash);
    let done = (await stat(filePath).catch(() => undefined))?.size === pack.sizeBytes;
    let copying: Promise<void> | undefined;
    let isLeft = false;
    const copy = async () => {
      this.fetched.push(pack.sha256);
      await copyFile(join(this.#folder, pack.sha256), filePath);
      done = true;
    };
    return {
      infoHash,
      progress: () => ({
        bytesDone: done ? pack.sizeBytes : 0,
        bytesTotal: pack.sizeBytes,
        bytesHere: done ? pack.sizeBytes : 0,
        bytesPerSecond: 0,
        bytesSent: 0,
        peers: 1,
      }),
      intakes: () => ({
        ...{ bytesFrom: new Map(), lanes: 1, useful: 1, asked: 0, wrongPieces: 0, checkingMs: 0 },
      }),
      setPeers: () => undefined,
      widen: () => undefined,
      missing: () => (done ? [] : [[0, pack.sizeBytes]]),
      has: () => done,
      supply: async () => undefined,
      whenComplete: async (signal) => {
        while (this.stalled && !signal.aborted && !isLeft) await new Promise((resolve) => setTimeout(resolve, 5));
        if (signal.aborted || isLeft) throw new Error('aborted');
        if (!done) await (copying ??= copy());
      },
      leave: async () => {
        isLeft = true;
        this.joined.delete(infoHash);
      },
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
