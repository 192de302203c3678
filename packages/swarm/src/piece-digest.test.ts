import { hash } from 'node:crypto';
import { expect, it } from 'vitest';
import { blake3Hasher, hasBlake3, isPiece } from './piece-digest.ts';

// From the test vectors of the specification: of no byte, and of 0, 1, 2 … 250, 0 … to 1,024.
const ofNothing = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';
const of1024 = '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7';
const counted = (length: number) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  for (let index = 0; index < length; index += 1) bytes[index] = index % 251;
  return bytes;
};

it('is checked by BLAKE3 or by SHA-1, as long as the digest is, in memory that threads share', () => {
  expect(hasBlake3).toBe(true);
  const bytes = counted(1_024);
  expect(isPiece(bytes, of1024)).toBe(true);
  expect(isPiece(counted(0), ofNothing)).toBe(true);
  expect(isPiece(bytes, hash('sha1', bytes))).toBe(true);
  bytes[1_000]! ^= 1;
  expect(isPiece(bytes, of1024)).toBe(false);
});

it('is the same when its bytes come bit by bit', () => {
  const hasher = blake3Hasher()!;
  for (let start = 0; start < 1_024; start += 100) hasher.update(counted(1_024).subarray(start, start + 100));
  expect(hasher.digest().toString('hex')).toBe(of1024);
});
