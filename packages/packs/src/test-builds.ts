import { encodeStretch } from './encode-stretch.ts';
import type { Streams } from './jobs.ts';
import type { BuildManifest, ManifestPatch } from './manifest.ts';
import { depthFinder } from './manifest.ts';
import { encodeManifest } from './manifest-codec.ts';
import { digestOf } from './test-bytes.ts';

// Small builds in memory, with chunks of some hundred bytes, so that properties can be tried on many of them.

export interface TestBuild {
  content: Buffer;
  manifest: BuildManifest;
  manifestBytes: Buffer;
  manifestDigest: string;
  /** All packs that it names, by digest. */
  packs: ReadonlyMap<string, Buffer>;
}

export function testBuild(name: string, content: Buffer, previous?: TestBuild, chunksAPatch = 6): TestBuild {
  const known = new Map((previous?.manifest.chunks ?? []).map((chunk) => [chunk.digest, chunk]));
  const packs = (previous?.manifest.packs ?? []).slice();
  const pieces = piecesOf(content);
  const streams = (stream: string) => ({
    read: (start: number, into: Uint8Array) => (stream === 'tree' ? content : previous!.content).copy(into, 0, start),
    placeInFile: (position: number) => position,
  });
  const places = new Map<string, { offset: number; encodedLength: number }>();
  const patches: Omit<ManifestPatch, 'pack' | 'ancestor'>[] = [];
  const [patchParts, chunkParts]: [Uint8Array[], Uint8Array[]] = [[], []];
  let [patchBytes, chunkBytes] = [0, 0];
  const depthOf = previous && depthFinder(previous.manifest);
  for (let first = 0; first < pieces.length; ) {
    let count = 0;
    const isNew = (index: number) =>
      pieces[index] !== undefined && !known.has(pieces[index]!.digest) && !places.has(pieces[index]!.digest);
    while (count < chunksAPatch && isNew(first + count)) {
      places.set(pieces[first + count]!.digest, { offset: -1, encodedLength: 0 });
      count += 1;
    }
    const stretch = pieces.slice(first, first + count);
    if (stretch.length > 0) {
      const encoded = encodeStretch(
        {
          start: stretch[0]!.start,
          lengths: stretch.map(({ length }) => length),
          levels: { chunk: 1, patch: 1 },
          ...(previous ? { reference: { start: 0, end: previous.content.length, place: stretch[0]!.start } } : {}),
        },
        streams as unknown as Streams,
      );
      for (const [index, encodedLength] of encoded.encodedLengths.entries()) {
        places.set(stretch[index]!.digest, { offset: chunkBytes, encodedLength });
        chunkBytes += encodedLength;
      }
      chunkParts.push(encoded.chunks);
      if (encoded.patch.length > 0) {
        const { referenceStart, referenceLength, patch } = encoded;
        const depth = 1 + depthOf!(referenceStart, referenceLength);
        const place = { offset: patchBytes, length: patch.length, firstChunk: first, chunkCount: count };
        patches.push({ ...place, referenceStart, referenceLength, depth });
        patchParts.push(patch);
        patchBytes += patch.length;
      }
    }
    first += Math.max(1, count);
  }
  const packBytes = Buffer.concat([...patchParts, ...chunkParts]);
  const stored = new Map(previous?.packs);
  if (packBytes.length > 0) {
    stored.set(digestOf(packBytes), packBytes);
    packs.push({ digest: digestOf(packBytes), sizeBytes: packBytes.length, torrentInfo: new Uint8Array(0) });
  }
  const manifest: BuildManifest = {
    build: name,
    details: Buffer.from('{}'),
    entries: [{ type: 'file', path: 'program', executable: true, sizeBytes: content.length }],
    packs,
    chunks: pieces.map(({ digest, length }) => {
      const place = places.get(digest);
      if (!place) return known.get(digest)!;
      return {
        digest,
        length,
        pack: packs.length - 1,
        offset: patchBytes + place.offset,
        encodedLength: place.encodedLength,
      };
    }),
    ancestors: previous
      ? [
          {
            build: previous.manifest.build,
            manifestDigest: previous.manifestDigest,
            streamBytes: previous.content.length,
          },
          ...previous.manifest.ancestors,
        ].slice(0, 4)
      : [],
    patches: patches.map((patch) => ({ ...patch, pack: packs.length - 1, ancestor: 0 })),
  };
  const manifestBytes = encodeManifest(manifest);
  return { content, manifest, manifestBytes, manifestDigest: digestOf(manifestBytes), packs: stored };
}

/** Cut behind a byte that is rare, after 150 bytes at the least and 900 at the most. */
function piecesOf(content: Buffer): { start: number; length: number; digest: string }[] {
  const pieces = [];
  for (let start = 0; start < content.length; ) {
    let end = Math.min(content.length, start + 150);
    while (end < content.length && end < start + 900 && content[end - 1]! % 128 !== 3) end += 1;
    pieces.push({ start, length: end - start, digest: digestOf(content.subarray(start, end)) });
    start = end;
  }
  return pieces;
}
