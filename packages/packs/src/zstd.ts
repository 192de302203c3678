import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Malformed } from './varint.ts';

/** Compressed at `level` without zstd's own checksum, as every chunk has a SHA-256. */
export function compress(bytes: Uint8Array, level: number): Buffer {
  return zstdCompressSync(bytes, {
    // Room for the result at once, most often, as it is less than the input.
    chunkSize: Math.max(64, bytes.length),
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 },
  });
}

/** Exactly `length` bytes, or Malformed; no more memory than that is taken, whatever `bytes` says of itself. */
export function decompress(bytes: Uint8Array, length: number): Buffer {
  let out: Buffer;
  try {
    // A little more room than is needed, as for a buffer that is full to the end zlib makes another one.
    out = zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length), chunkSize: length + 64 });
  } catch (thrown) {
    throw new Malformed(`it does not decompress: ${(thrown as Error).message}`);
  }
  if (out.length !== length) throw new Malformed(`it decompresses to ${out.length} bytes, ${length} were expected`);
  return out;
}
