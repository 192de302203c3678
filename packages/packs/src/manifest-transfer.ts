import { createHash } from 'node:crypto';
import { makeDelta } from './delta-encode.ts';
import { applyDelta, maxTargetBytes } from './delta-format.ts';
import { limits } from './manifest-codec.ts';
import { ByteReader, ByteWriter } from './varint.ts';
import { compress, decompress } from './zstd.ts';

// How a manifest travels: compressed, or as a patch of the one before, as most of it is the same. What arrives is the
// manifest's own bytes, with the digest and the signature that they have.

const levels = { whole: 9, patch: 19 };

/** The shorter of the manifest compressed and its patch against an earlier manifest's bytes. */
export function shortenManifest(bytes: Uint8Array, earlier?: Uint8Array): Buffer<ArrayBuffer> {
  const whole = new ByteWriter(bytes.length);
  whole.number(0);
  whole.number(bytes.length);
  whole.raw(compress(bytes, levels.whole));
  const fits = earlier && bytes.length <= maxTargetBytes && earlier.length <= maxTargetBytes;
  const delta = fits ? makeDelta(earlier, bytes, 0, levels.patch) : undefined;
  if (!delta || !earlier || delta.patch.length + 48 >= whole.length) return whole.bytes();
  const patch = new ByteWriter(delta.patch.length + 64);
  patch.number(1);
  patch.number(bytes.length);
  patch.raw(createHash('sha256').update(earlier).digest());
  patch.number(delta.referenceStart);
  patch.number(delta.referenceEnd - delta.referenceStart);
  patch.raw(delta.patch);
  return patch.bytes();
}

/** The manifest's bytes again; undefined when the earlier manifest is not there. Throws Malformed. */
export function expandManifest(
  shortened: Uint8Array,
  findEarlier: (digest: string) => Uint8Array | undefined,
): Buffer<ArrayBuffer> | undefined {
  const reader = new ByteReader(shortened);
  const isPatch = reader.number(1, 'how it is shortened') === 1;
  const length = reader.number(isPatch ? maxTargetBytes : limits.manifestBytes, 'its length');
  if (!isPatch) return decompress(reader.raw(reader.left, 'the manifest'), length) as Buffer<ArrayBuffer>;
  const earlier = findEarlier(Buffer.from(reader.raw(32, 'a digest')).toString('hex'));
  if (!earlier) return undefined;
  const start = reader.number(earlier.length, 'the start of its reference');
  const end = start + reader.number(earlier.length - start, 'its reference');
  return applyDelta(reader.raw(reader.left, 'the patch'), earlier.subarray(start, end), Buffer.alloc(length));
}
