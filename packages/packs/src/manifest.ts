// What a build is, in chunks: the manifest that every machine reads. manifest-codec.ts says how it is written.

export type TreeEntry =
  | { type: 'file'; path: string; executable: boolean; sizeBytes: number }
  | { type: 'link'; path: string; target: string }
  | { type: 'directory'; path: string };

export interface ManifestPack {
  /** SHA-256 of its bytes, in hexadecimal. */
  digest: string;
  sizeBytes: number;
  /** The bencoded info dictionary of its torrent; empty where there is none. */
  torrentInfo: Uint8Array;
}

export interface ManifestChunk {
  digest: string;
  /** In bytes of the stream, at most 512 KiB. */
  length: number;
  /** Which of the manifest's packs has it, and where. */
  pack: number;
  offset: number;
  /** Equal to `length` for a chunk that is stored as it is; else it is compressed with zstd. */
  encodedLength: number;
}

/** Chunks that follow each other, made from a range of an earlier build. */
export interface ManifestPatch {
  pack: number;
  offset: number;
  length: number;
  firstChunk: number;
  chunkCount: number;
  /** Which of the manifest's ancestors it is made against, and the range of that build's stream. */
  ancestor: number;
  referenceStart: number;
  referenceLength: number;
  /** 1 where the reference has no patch of its own, one more than the deepest of its patches otherwise. */
  depth: number;
}

export interface Ancestor {
  build: string;
  /** SHA-256 of its manifest's bytes. */
  manifestDigest: string;
  streamBytes: number;
}

export interface BuildManifest {
  build: string;
  /** Everything that is not about bytes (project, provenance, how to run it): JSON for the reader to check. */
  details: Uint8Array;
  entries: TreeEntry[];
  packs: ManifestPack[];
  /** They tile the stream of the files' contents in path order. */
  chunks: ManifestChunk[];
  /** Builds that a machine may come from, the latest first. */
  ancestors: Ancestor[];
  patches: ManifestPatch[];
  signature?: { keyId: string; value: Uint8Array };
}

export function streamBytesOf(manifest: { chunks: readonly { length: number }[] }): number {
  return manifest.chunks.reduce((sum, { length }) => sum + length, 0);
}

/** Where each chunk begins in the stream. */
export function chunkStarts(manifest: Pick<BuildManifest, 'chunks'>): Float64Array {
  const starts = new Float64Array(manifest.chunks.length);
  let start = 0;
  for (const [index, { length }] of manifest.chunks.entries()) {
    starts[index] = start;
    start += length;
  }
  return starts;
}

/** The first and the behind-last chunk that touch a range of the stream. */
export function chunksTouching(starts: Float64Array, start: number, length: number): [number, number] {
  return [lastAtMost(starts, start), lastAtMost(starts, start + length - 1) + 1];
}

function lastAtMost(starts: Float64Array, position: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= position) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** How many builds the patches of `manifest` that make part of a range can reach back; 0 where there are none. */
export function depthFinder(
  manifest: Pick<BuildManifest, 'chunks' | 'patches'>,
): (start: number, length: number) => number {
  const starts = chunkStarts(manifest);
  const depths = new Uint8Array(manifest.chunks.length);
  for (const { firstChunk, chunkCount, depth } of manifest.patches)
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk += 1)
      depths[chunk] = Math.max(depths[chunk]!, depth);
  return (start, length) => {
    const [first, end] = chunksTouching(starts, start, length);
    return depths.subarray(first, end).reduce((deepest, depth) => Math.max(deepest, depth), 0);
  };
}
