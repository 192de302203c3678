import { hash } from 'node:crypto';
import { createRequire } from 'node:module';

// A piece is known by its SHA-1, which BitTorrent demands, and by its BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn,
// "BLAKE3: one function, fast everywhere", 2020), which takes a fifth of the time or less and was a third of what a
// member does. BLAKE3 is native code: where there is none for a platform, its machines check by SHA-1.

const blake3Module = load();

function load(): typeof import('@napi-rs/blake-hash') | undefined {
  try {
    return createRequire(import.meta.url)('@napi-rs/blake-hash');
  } catch {
    return undefined;
  }
}

/** Whether this machine can make and check BLAKE3. */
export const hasBlake3 = blake3Module !== undefined;

export const sha1Bytes = 20;
export const blake3Bytes = 32;

/** Whether these are the bytes of a digest in lower-case hexadecimal digits: 40 are of SHA-1, 64 of BLAKE3. */
export function isPiece(bytes: Uint8Array, digest: string): boolean {
  if (digest.length === 2 * sha1Bytes) return hash('sha1', bytes) === digest;
  if (!blake3Module) throw new Error('a piece is to be checked by BLAKE3, which this machine cannot make');
  return blake3Module.blake3(asBuffer(bytes)).toString('hex') === digest;
}

/** For bytes that come bit by bit; undefined where there is no BLAKE3. */
export function blake3Hasher(): { update(bytes: Uint8Array): void; digest(): Buffer } | undefined {
  if (!blake3Module) return undefined;
  const hasher = new blake3Module.Blake3Hasher();
  return { update: (bytes) => void hasher.update(asBuffer(bytes)), digest: () => hasher.digestBuffer() };
}

/** The same memory. */
function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
