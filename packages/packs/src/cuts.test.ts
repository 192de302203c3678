import { describe, expect, it } from 'vitest';
import { CutChooser, findCandidates, hashedBytes, maxChunkBytes, minChunkBytes, wantedChunkBytes } from './cuts.ts';
import { digestOf, someBytes } from './test-bytes.ts';

function chunksOf(bytes: Buffer): Buffer[] {
  const { positions, bits } = findCandidates(bytes, 0);
  const chooser = new CutChooser(positions, bits);
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = chooser.next(start, bytes.length);
    chunks.push(bytes.subarray(start, end));
    start = end;
  }
  return chunks;
}

describe('cuts', () => {
  const bytes = someBytes(16 * 1024 * 1024, 1);
  const chunks = chunksOf(bytes);

  it('keep to the limits and come near the wanted length', () => {
    expect(chunks.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length);
    for (const { length } of chunks.slice(0, -1)) {
      expect(length).toBeGreaterThanOrEqual(minChunkBytes);
      expect(length).toBeLessThanOrEqual(maxChunkBytes);
    }
    const mean = bytes.length / chunks.length;
    expect(mean).toBeGreaterThan(wantedChunkBytes * 0.7);
    expect(mean).toBeLessThan(wantedChunkBytes * 1.4);
  });

  it('find nearly all chunks again after bytes were put in and taken out', () => {
    const edited = Buffer.concat([someBytes(777, 5), bytes.subarray(0, 5_000_000), bytes.subarray(5_000_123)]);
    const known = new Set(chunks.map(digestOf));
    const found = chunksOf(edited).filter((chunk) => known.has(digestOf(chunk)));
    expect(found.length).toBeGreaterThan(chunks.length - 10);
  });

  it('are the same whichever way the candidates were scanned', () => {
    const part = bytes.subarray(0, 1_000_000);
    const whole = findCandidates(part, 0);
    const pieces: number[] = [];
    for (const [start, end] of [
      [0, 300_001],
      [300_001, 300_002],
      [300_002, 999_000],
      [999_000, 1_000_000],
    ] as const) {
      const before = Math.min(start, hashedBytes);
      for (const position of findCandidates(part.subarray(start - before, end), before).positions)
        pieces.push(start + position);
    }
    expect(pieces).toEqual([...whole.positions]);
  });

  it('see nothing in runs of one byte, so that they cost no memory', () => {
    for (let value = 0; value < 256; value += 1)
      expect(findCandidates(Buffer.alloc(4_096, value), 0).positions.length).toBeLessThan(hashedBytes);
    expect(chunksOf(Buffer.alloc(2 * 1024 * 1024)).map(({ length }) => length)).toEqual(Array(4).fill(maxChunkBytes));
  });
});
