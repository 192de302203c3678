import { createHash } from 'node:crypto';
import { maxChunkBytes } from './cuts.ts';
import { maxReferenceBytes, maxTargetBytes } from './delta-format.ts';
import type { Ancestor, BuildManifest, ManifestChunk, ManifestPack, ManifestPatch } from './manifest.ts';
import { manifestDefect } from './manifest-defect.ts';
import { readEntries, writeEntries } from './manifest-entries.ts';
import { ByteReader, ByteWriter, Malformed } from './varint.ts';

// The bytes of a manifest; docs/reference/manifest-format.md describes them. Everything that can be known
// from what came before is left out, so a chunk mostly takes its digest and five to eight bytes more.

export const manifestVersion = 2;
export const limits = {
  manifestBytes: 64 * 1024 * 1024,
  detailsBytes: 1024 * 1024,
  entries: 1_000_000,
  packs: 4_096,
  torrentInfoBytes: 8 * 1024 * 1024,
  chunks: 1_500_000,
  ancestors: 16,
  patches: 500_000,
  depth: 255,
  nameBytes: 256,
} as const;

const magic = Buffer.from('STARLING');
const digestBytes = 32;
const most = Number.MAX_SAFE_INTEGER;

/** What a signature is over: all of the manifest but the signature itself and the digest that ends it. */
export function signedBytes(manifest: Omit<BuildManifest, 'signature'>): Buffer<ArrayBuffer> {
  const defect = manifestDefect(manifest);
  if (defect !== undefined) throw new Error(`the manifest is defective: ${defect}`);
  const writer = new ByteWriter(1024 + manifest.details.length + manifest.chunks.length * 40);
  writer.raw(magic);
  writer.number(manifestVersion);
  writer.text(manifest.build);
  writer.counted(manifest.details);
  writeEntries(writer, manifest.entries);
  writer.number(manifest.packs.length);
  for (const { digest, sizeBytes, torrentInfo } of manifest.packs) {
    writer.raw(Buffer.from(digest, 'hex'));
    writer.number(sizeBytes);
    writer.counted(torrentInfo);
  }
  writeChunks(writer, manifest.chunks);
  writer.number(manifest.ancestors.length);
  for (const { build, manifestDigest, streamBytes } of manifest.ancestors) {
    writer.text(build);
    writer.raw(Buffer.from(manifestDigest, 'hex'));
    writer.number(streamBytes);
  }
  writePatches(writer, manifest.patches);
  return writer.bytes();
}

/** Throws for a manifest that no reader would take, which is a defect of whoever made it. */
export function encodeManifest(manifest: BuildManifest): Buffer<ArrayBuffer> {
  const body = signedBytes(manifest);
  const writer = new ByteWriter(body.length + 256);
  writer.raw(body);
  writer.text(manifest.signature?.keyId ?? '');
  writer.counted(manifest.signature?.value ?? new Uint8Array(0));
  writer.raw(createHash('sha256').update(writer.bytes()).digest());
  if (writer.length > limits.manifestBytes) throw new Error(`the manifest would have ${writer.length} bytes`);
  return writer.bytes();
}

/**
 * Reads a manifest. Throws Malformed for anything that encodeManifest does not write: other bytes, counts that the
 * bytes cannot hold, ranges out of bounds. Memory is taken only in proportion to the bytes. Who signed it is for the
 * caller to check, with `signedBytes` or the bytes before `signatureStart`.
 */
export function decodeManifest(bytes: Uint8Array): { manifest: BuildManifest; signatureStart: number } {
  if (bytes.length > limits.manifestBytes)
    throw new Malformed(`it has ${bytes.length} bytes, and ${limits.manifestBytes} is the most`);
  if (bytes.length < magic.length + digestBytes || !magic.equals(bytes.subarray(0, magic.length)))
    throw new Malformed('it does not begin like a manifest');
  const contentEnd = bytes.length - digestBytes;
  const digest = createHash('sha256').update(bytes.subarray(0, contentEnd)).digest();
  if (!digest.equals(bytes.subarray(contentEnd))) throw new Malformed('it does not have the digest that ends it');
  const reader = new ByteReader(bytes.subarray(0, contentEnd));
  reader.raw(magic.length, 'its first bytes');
  const version = reader.number(most, 'the version');
  if (version !== manifestVersion)
    throw new Malformed(`it is of version ${version}, and ${manifestVersion} is the one known`);
  const build = reader.text(limits.nameBytes, 'the build');
  const details = copyOf(reader.counted(limits.detailsBytes, 'the details'));
  const entries = readEntries(reader, limits.entries);
  const packs = repeat(reader, limits.packs, digestBytes + 2, 'packs', readPack);
  const chunks = readChunks(reader, packs);
  const ancestors = repeat(reader, limits.ancestors, digestBytes + 2, 'ancestors', readAncestor);
  const patches = readPatches(reader);
  const signatureStart = contentEnd - reader.left;
  const keyId = reader.text(limits.nameBytes, 'the key');
  const value = copyOf(reader.counted(limits.nameBytes, 'the signature'));
  reader.end();
  const unsigned = { build, details, entries, packs, chunks, ancestors, patches };
  const defect = manifestDefect(unsigned);
  if (defect !== undefined) throw new Malformed(defect);
  if ((keyId === '') !== (value.length === 0)) throw new Malformed('half of its signature is missing');
  return { manifest: keyId === '' ? unsigned : { ...unsigned, signature: { keyId, value } }, signatureStart };
}

/** A list behind its count, which cannot be more than the bytes that are left could hold. */
function repeat<Item>(
  reader: ByteReader,
  mostItems: number,
  leastBytes: number,
  what: string,
  read: (reader: ByteReader, index: number) => Item,
): Item[] {
  const count = reader.number(Math.min(mostItems, Math.floor(reader.left / leastBytes)), `the number of ${what}`);
  const items: Item[] = [];
  for (let index = 0; index < count; index += 1) items.push(read(reader, index));
  return items;
}

function readPack(reader: ByteReader): ManifestPack {
  return {
    digest: readDigest(reader),
    sizeBytes: reader.number(most, 'the size of a pack'),
    torrentInfo: copyOf(reader.counted(limits.torrentInfoBytes, 'a torrent')),
  };
}

function readAncestor(reader: ByteReader): Ancestor {
  return {
    build: reader.text(limits.nameBytes, 'an earlier build'),
    manifestDigest: readDigest(reader),
    streamBytes: reader.number(most, 'the size of an earlier build'),
  };
}

/** A chunk that follows the last one in its pack says so with a zero; else its pack and offset come, the pack plus one. */
function writeChunks(writer: ByteWriter, chunks: readonly ManifestChunk[]): void {
  writer.number(chunks.length);
  let [lastPack, lastEnd] = [0, 0];
  for (const { digest, length, pack, offset, encodedLength } of chunks) {
    writer.raw(Buffer.from(digest, 'hex'));
    writer.number(length);
    writer.number(length - encodedLength);
    if (pack === lastPack && offset === lastEnd) writer.number(0);
    else {
      writer.number(pack + 1);
      writer.number(offset);
    }
    lastPack = pack;
    lastEnd = offset + encodedLength;
  }
}

function readChunks(reader: ByteReader, packs: readonly ManifestPack[]): ManifestChunk[] {
  let [lastPack, lastEnd] = [0, 0];
  return repeat(reader, limits.chunks, digestBytes + 3, 'chunks', () => {
    const digest = readDigest(reader);
    const length = reader.number(maxChunkBytes, 'the length of a chunk');
    const encodedLength = length - reader.number(length, 'what a chunk saves');
    const where = reader.number(packs.length, 'the pack of a chunk');
    const pack = where === 0 ? lastPack : where - 1;
    const offset = where === 0 ? lastEnd : reader.number(most, 'the place of a chunk');
    if (where !== 0 && pack === lastPack && offset === lastEnd)
      throw new Malformed('the place of a chunk is not in its shortest form');
    lastPack = pack;
    lastEnd = offset + encodedLength;
    return { digest, length, pack, offset, encodedLength };
  });
}

/** Patches come in the order of their chunks, and mostly follow each other in their pack as well. */
function writePatches(writer: ByteWriter, patches: readonly ManifestPatch[]): void {
  writer.number(patches.length);
  let [lastChunk, lastEnd, lastReference] = [0, 0, 0];
  for (const patch of patches) {
    writer.number(patch.firstChunk - lastChunk);
    writer.number(patch.chunkCount);
    writer.number(patch.pack);
    writer.signed(patch.offset - lastEnd);
    writer.number(patch.length);
    writer.number(patch.ancestor);
    writer.signed(patch.referenceStart - lastReference);
    writer.number(patch.referenceLength);
    writer.number(patch.depth);
    lastChunk = patch.firstChunk + patch.chunkCount;
    lastEnd = patch.offset + patch.length;
    lastReference = patch.referenceStart + patch.referenceLength;
  }
}

function readPatches(reader: ByteReader): ManifestPatch[] {
  let [lastChunk, lastEnd, lastReference] = [0, 0, 0];
  const half = Math.floor(most / 4);
  return repeat(reader, limits.patches, 9, 'patches', () => {
    const firstChunk = lastChunk + reader.number(limits.chunks, 'the first chunk of a patch');
    const chunkCount = reader.number(limits.chunks, 'the chunks of a patch');
    const pack = reader.number(limits.packs, 'the pack of a patch');
    const offset = lastEnd + reader.signed(half, 'the place of a patch');
    const length = reader.number(maxTargetBytes, 'the length of a patch');
    const ancestor = reader.number(limits.ancestors, 'the build of a patch');
    const referenceStart = lastReference + reader.signed(half, 'the reference of a patch');
    const referenceLength = reader.number(maxReferenceBytes, 'the length of a reference');
    const depth = reader.number(limits.depth, 'the depth of a patch');
    lastChunk = firstChunk + chunkCount;
    lastEnd = offset + length;
    lastReference = referenceStart + referenceLength;
    return { pack, offset, length, firstChunk, chunkCount, ancestor, referenceStart, referenceLength, depth };
  });
}

function readDigest(reader: ByteReader): string {
  return Buffer.from(reader.raw(digestBytes, 'a digest')).toString('hex');
}

function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
