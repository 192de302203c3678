import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BuildManifest, ManifestChunk, TreeEntry } from './manifest.ts';
import { decodeManifest, encodeManifest, signedBytes } from './manifest-codec.ts';
import { testBuild } from './test-builds.ts';
import { changed, digestOf, someBytes } from './test-bytes.ts';
import { ByteWriter, Malformed } from './varint.ts';

const hex = (seed: number) => digestOf(Buffer.from(String(seed)));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => new Uint8Array(array));

/** Any manifest that is none with a defect. */
const manifest: fc.Arbitrary<BuildManifest> = fc
  .record({
    build: fc.stringMatching(/^[a-z]{1,8}@[0-9a-f]{12}$/),
    details: bytes(50),
    names: fc.uniqueArray(fc.stringMatching(/^[a-zé]{1,6}(\/[a-z.]{1,4}[a-z])?$/), { minLength: 1, maxLength: 12 }),
    packs: fc.array(bytes(20), { minLength: 1, maxLength: 4 }),
    chunks: fc.array(
      fc.record({ length: fc.integer({ min: 1, max: 524_288 }), saved: fc.nat(300), pack: fc.nat(3), jump: fc.nat(3) }),
      { maxLength: 30 },
    ),
    ancestors: fc.array(fc.nat(2 ** 40), { maxLength: 3 }),
    patches: fc.array(
      fc.record({
        skip: fc.nat(2),
        count: fc.integer({ min: 1, max: 4 }),
        ancestor: fc.nat(2),
        start: fc.nat(1_000),
        depth: fc.integer({ min: 1, max: 9 }),
      }),
      { maxLength: 6 },
    ),
    signature: fc.option(
      fc.record({ keyId: fc.stringMatching(/^[a-z]{1,9}$/), value: fc.constant(new Uint8Array(64).fill(7)) }),
      { nil: undefined },
    ),
  })
  .map(({ names, packs, chunks, ancestors, patches, signature, build, details }) => {
    const ends = packs.map(() => 0);
    const placed: ManifestChunk[] = chunks.map(({ length, saved, pack: wanted, jump }, index) => {
      const pack = wanted % packs.length;
      const encodedLength = Math.max(1, length - saved);
      const offset = ends[pack]! + (jump === 0 ? 1_000 : 0);
      ends[pack] = offset + encodedLength;
      return { digest: hex(index), length, pack, offset, encodedLength };
    });
    const total = placed.reduce((sum, { length }) => sum + length, 0);
    const entries: TreeEntry[] = names
      .toSorted((a, b) => (a < b ? -1 : 1))
      .filter((name) => !names.some((other) => name.startsWith(`${other}/`)))
      .map((path, index) => {
        if (index === 0) return { type: 'file', path, executable: total % 2 === 0, sizeBytes: total };
        if (index % 3 === 0) return { type: 'link', path, target: 'x' };
        return index % 3 === 1 ? { type: 'directory', path } : { type: 'file', path, executable: false, sizeBytes: 0 };
      });
    let next = 0;
    const fitting = patches.flatMap(({ skip, count, ancestor, start, depth }) => {
      const firstChunk = next + skip;
      if (firstChunk + count > placed.length || ancestors.length === 0) return [];
      const against = ancestor % ancestors.length;
      if (start + 5 > ancestors[against]!) return [];
      next = firstChunk + count;
      return [
        {
          pack: 0,
          offset: 3,
          length: 40,
          firstChunk,
          chunkCount: count,
          ancestor: against,
          referenceStart: start,
          referenceLength: 5,
          depth,
        },
      ];
    });
    return {
      build,
      details,
      entries,
      packs: packs.map((torrentInfo, index) => ({
        digest: hex(-1 - index),
        sizeBytes: ends[index]! + 100,
        torrentInfo,
      })),
      chunks: placed,
      ancestors: ancestors.map((streamBytes, index) => ({
        build: `b${index}`,
        manifestDigest: hex(1_000 + index),
        streamBytes,
      })),
      patches: fitting,
      ...(signature ? { signature } : {}),
    };
  });

const older = testBuild('shop@000000000001', someBytes(20_000, 1));
const newer = testBuild(
  'shop@000000000002',
  changed(older.content, { kind: 'relink', at: 0, share: 0.5, seed: 1 }),
  older,
);

/** With the digest that ends it made right again. */
function redigested(edited: Uint8Array): Buffer {
  const body = edited.subarray(0, edited.length - 32);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

describe('a manifest', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(manifest, (original) => {
        const encoded = encodeManifest(original);
        const { manifest: decoded, signatureStart } = decodeManifest(encoded);
        expect(decoded).toEqual(original);
        expect(signedBytes(original).equals(encoded.subarray(0, signatureStart))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('is refused with any byte of it flipped, and with any of its end missing', () => {
    const encoded = newer.manifestBytes;
    for (let at = 0; at < encoded.length; at += 1) {
      const flipped = Buffer.from(encoded);
      flipped[at]! ^= 1 << (at % 8);
      expect(() => decodeManifest(flipped)).toThrow(Malformed);
    }
    for (let length = 0; length < encoded.length; length += 7)
      expect(() => decodeManifest(encoded.subarray(0, length))).toThrow(Malformed);
  });

  it('of someone who can make digests is refused, or is one that is written the same way', () => {
    const encoded = newer.manifestBytes;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(encoded.length - 33), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (edits) => {
          const edited = Buffer.from(encoded);
          for (const [at, value] of edits) edited[at] = value;
          const hostile = redigested(edited);
          try {
            expect(encodeManifest(decodeManifest(hostile).manifest).equals(hostile)).toBe(true);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(Malformed);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('cannot claim more than its bytes could hold', () => {
    const beginning = (...numbers: number[]) => {
      const writer = new ByteWriter();
      writer.raw(Buffer.from('STARLING'));
      writer.number(2);
      writer.text('b');
      writer.counted(new Uint8Array(0));
      for (const number of numbers) writer.number(number);
      writer.raw(new Uint8Array(32));
      return redigested(writer.bytes());
    };
    expect(() => decodeManifest(beginning(1_000_000))).toThrow(/the number of entries is 1000000, and 1 is the most/);
    expect(() => decodeManifest(beginning(0, 4_000))).toThrow(/the number of packs/);
    expect(() => decodeManifest(beginning(0, 0, 1_500_000))).toThrow(/the number of chunks/);
    expect(() => decodeManifest(beginning(0, 0, 0, 16))).toThrow(/the number of ancestors/);
    expect(() => decodeManifest(beginning(0, 0, 0, 0, 400_000))).toThrow(/the number of patches/);
    expect(() => decodeManifest(new Uint8Array(65 * 1024 * 1024))).toThrow(/is the most/);
  });

  it.each<[string, (manifest: BuildManifest) => void, RegExp]>([
    ['a path out of the tree', (m) => Object.assign(m.entries[0]!, { path: '../x' }), /no path of an artifact/],
    ['a link out of the tree', (m) => m.entries.push({ type: 'link', path: 'z', target: '../..' }), /leads out/],
    ['a path below a file', (m) => m.entries.push({ type: 'directory', path: 'program/x' }), /no folder/],
    ['a path that stands twice', (m) => m.entries.push(m.entries[0]!), /stands twice/],
    ['files that are longer than the chunks', (m) => Object.assign(m.entries[0]!, { sizeBytes: 7 }), /its chunks/],
    ['a chunk outside of its pack', (m) => Object.assign(m.chunks[3]!, { offset: 1e9 }), /not within a pack/],
    ['a patch outside of its pack', (m) => Object.assign(m.patches[0]!, { offset: 1e9 }), /not within a pack/],
    ['a patch against nothing', (m) => Object.assign(m.patches[0]!, { ancestor: 5 }), /not named/],
    ['a patch of too much', (m) => Object.assign(m.patches[0]!, { referenceStart: 19_999 }), /beyond its build/],
    ['a pack that stands twice', (m) => m.packs.push(m.packs[0]!), /stands twice/],
  ])('is not written with %s', (_what, spoil, reason) => {
    const { manifest: spoiled } = decodeManifest(newer.manifestBytes);
    spoil(spoiled);
    expect(() => encodeManifest(spoiled)).toThrow(reason);
  });

  it('of 10 GB takes less than 4 MB', () => {
    const count = Math.ceil(10e9 / 131_072);
    const chunks = Array.from({ length: count }, (_, index) => ({
      digest: hex(index),
      length: 131_072,
      encodedLength: 70_000,
    }));
    let offset = 0;
    const placed = chunks.map((chunk, index) => {
      // Every tenth chunk is of another pack, and not next to the last one there.
      const pack = index % 10 === 0 ? 1 : 0;
      const place = pack === 1 ? index * 80_000 : (offset += 70_000);
      return { ...chunk, pack, offset: place };
    });
    const patches = Array.from({ length: 1_000 }, (_, index) => ({
      pack: 0,
      offset: index * 9_000,
      length: 9_000,
      firstChunk: index * 70,
      chunkCount: 32,
      ancestor: 0,
      referenceStart: index * 9_000_000,
      referenceLength: 4_200_000,
      depth: 1,
    }));
    const encoded = encodeManifest({
      build: 'large@000000000001',
      details: new Uint8Array(0),
      entries: [{ type: 'file', path: 'large', executable: true, sizeBytes: count * 131_072 }],
      packs: [0, 1].map((index) => ({ digest: hex(-index - 1), sizeBytes: 1e10, torrentInfo: new Uint8Array(0) })),
      chunks: placed,
      ancestors: [{ build: 'large@000000000000', manifestDigest: hex(5), streamBytes: 1e10 }],
      patches,
    });
    expect(encoded.length).toBeLessThan(4_000_000);
    expect(decodeManifest(encoded).manifest.chunks).toHaveLength(count);
  });
});
