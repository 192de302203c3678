import type { AddressInfo } from 'node:net';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { onTestFinished } from 'vitest';
import WebTorrent from 'webtorrent';
import { packBits } from './lane-frames.ts';
import { PackFile } from './pack-file.ts';
import { PieceChecker } from './piece-checker.ts';
import { amongItself } from './stock-engine.ts';
import { pieceDigests } from './torrent-info.ts';

/** WebTorrent as it is, without lanes. */
export async function stockClient(pack: Pack, file: string) {
  const client = new WebTorrent({
    ...amongItself,
    torrentPort: { host: '127.0.0.1', port: 0 },
    maxConns: 50,
  });
  const checker = new PieceChecker();
  onTestFinished(async () => {
    await new Promise<void>((resolve) => client.destroy(() => resolve()));
    await checker.close();
  });
  await new Promise<void>((resolve) => client.once('listening', () => resolve()));
  const preloadedStore = await PackFile.open(file, pack.sizeBytes, pack.torrent.pieceLength);
  const digests = pieceDigests(pack);
  const has = await preloadedStore.scan(
    pack.torrent.infoHash,
    digests,
    (place) => checker.look(place),
    new AbortController().signal,
  );
  const info = Buffer.from(pack.torrent.info, 'base64');
  const torrent = client.add(Buffer.concat([Buffer.from('d4:info'), info, Buffer.from('e')]), {
    ...{ preloadedStore, storeCacheSlots: 0, strategy: 'sequential', deselect: false, uploads: 10 },
    bitfield: packBits(has),
  });
  await new Promise<void>((resolve) => torrent.once('ready', () => resolve()));
  const { port } = client.address() as AddressInfo;
  return {
    address: { host: '127.0.0.1', port },
    call: ({ host, port: to }: SwarmPeer) => torrent.addPeer(`${host}:${to}`),
    isDone: () => torrent.done,
  };
}
