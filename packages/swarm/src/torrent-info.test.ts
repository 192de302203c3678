import { createHash, hash } from 'node:crypto';
import { blake3 } from '@napi-rs/blake-hash';
import type { Pack } from '@starling/shared/manifest.ts';
import bencode from 'bencode';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packOf } from './test-swarms.ts';
import { checkTorrent, pieceDigests, pieceLengthFor, TorrentHasher } from './torrent-info.ts';

const MiB = 1024 * 1024;

/** The same pack with another description. */
function withInfo(pack: Pack, change: (info: Record<string, unknown>) => object): Pack {
  const info = Buffer.from(bencode.encode(change(bencode.decode(Buffer.from(pack.torrent.info, 'base64')) as never)));
  const infoHash = createHash('sha1').update(info).digest('hex');
  return { ...pack, torrent: { ...pack.torrent, infoHash, info: info.toString('base64') } };
}

describe('TorrentHasher', () => {
  it('gives the same description however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
        (pattern, cuts) => {
          const bytes = Buffer.alloc(700_000, pattern);
          const hasher = new TorrentHasher('pack', bytes.length);
          for (let start = 0, turn = 0; start < bytes.length; turn += 1) {
            const end = start + cuts[turn % cuts.length]! * 1_000;
            hasher.update(bytes.subarray(start, end));
            start = end;
          }
          const torrent = hasher.finish();
          expect(torrent).toEqual(packOf(bytes).torrent);
          const pieces = Array.from({ length: 11 }, (_, index) => bytes.subarray(index * 65_536, (index + 1) * 65_536));
          const pack = { ...packOf(bytes), torrent };
          expect(pieceDigests(pack)).toEqual(pieces.map((piece) => blake3(piece).toString('hex')));
          expect(pieceDigests(pack, false)).toEqual(pieces.map((piece) => hash('sha1', piece)));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('refuses to describe a pack of another size than announced', () => {
    const hasher = new TorrentHasher('pack', 3);
    hasher.update(Buffer.from('ab'));
    expect(() => hasher.finish()).toThrow('3 bytes, but 2');
  });

  it('keeps the number of pieces, and the description, small whatever the size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 * 1024 * MiB }), (sizeBytes) => {
        const pieces = Math.ceil(sizeBytes / pieceLengthFor(sizeBytes));
        expect(pieces).toBeLessThanOrEqual(Math.max(1_536, sizeBytes / (8 * MiB) + 1));
      }),
    );
    expect(pieceLengthFor(1)).toBe(64 * 1024);
    expect(pieceLengthFor(128 * MiB)).toBe(128 * 1024);
    expect(pieceLengthFor(1024 * MiB)).toBe(MiB);
    expect(pieceLengthFor(10_000_000_000)).toBe(8 * MiB);
  });
});

describe('pieceDigests', () => {
  it('are of SHA-1 for a pack that was made where there was no BLAKE3', () => {
    const pack = packOf(Buffer.alloc(100_000, 'starling'));
    const older = withInfo(pack, ({ 'pieces blake3': _, ...info }) => info);
    expect(pieceDigests(older)).toEqual(pieceDigests(pack, false));
  });
});

describe('checkTorrent', () => {
  const pack = packOf(Buffer.alloc(600_000, 'starling'));

  it('finds nothing wrong with what TorrentHasher made', () => expect(checkTorrent(pack)).toBeUndefined());

  it.each<[string, Pack]>([
    ['info hash', { ...pack, torrent: { ...pack.torrent, infoHash: '0'.repeat(40) } }],
    ['of 600000 bytes, the pack of 600001', { ...pack, sizeBytes: 600_001 }],
    ['65536 bytes, where 131072', { ...pack, torrent: { ...pack.torrent, pieceLength: 131_072 } }],
    ['are allowed', { ...pack, torrent: { ...pack.torrent, pieceLength: 1024 * MiB } }],
    ['has not the 10 pieces', withInfo(pack, (info) => ({ ...info, pieces: Buffer.alloc(40) }))],
    [
      'has not the 10 pieces of such a pack by BLAKE3',
      withInfo(pack, (info) => ({ ...info, 'pieces blake3': Buffer.alloc(200) })),
    ],
    ['is not private', withInfo(pack, ({ private: _, ...info }) => info)],
    ['has no name', withInfo(pack, ({ name: _, ...info }) => info)],
    ['several files', withInfo(pack, (info) => ({ ...info, files: [] }))],
    ['is not a dictionary', withInfo(pack, () => [1])],
  ])('says what is wrong: %s', (words, broken) => expect(checkTorrent(broken)).toContain(words));

  it.each([
    ['not bencoded', 'l3'],
    ['not canonical', 'd1:b1:x1:a1:ye'],
  ])('refuses a description that is %s', (_, text) => {
    const info = Buffer.from(text);
    const torrent = { ...pack.torrent, infoHash: createHash('sha1').update(info).digest('hex') };
    expect(checkTorrent({ ...pack, torrent: { ...torrent, info: info.toString('base64') } })).toMatch(
      /not (readable|encoded canonically)/,
    );
  });
});
