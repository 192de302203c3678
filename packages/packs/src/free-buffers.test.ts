import { describe, expect, it } from 'vitest';
import { freeBuffers } from './free-buffers.ts';

const MiB = 1024 * 1024;

describe('freeBuffers', () => {
  it('keeps what is made and dropped from piling up', () => {
    const before = process.memoryUsage().arrayBuffers;
    let [made, most] = [0, 0];
    for (let round = 0; round < 500; round += 1) {
      made += new Uint8Array(MiB).length;
      freeBuffers();
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(made).toBe(500 * MiB);
    expect(most).toBeLessThan(100 * MiB);
  });

  it('leaves what is still referred to', () => {
    const kept = Array.from({ length: 40 }, (_, index) => new Uint8Array(MiB).fill(index));
    freeBuffers();
    expect(kept.every((bytes, index) => bytes[0] === index && bytes.at(-1) === index)).toBe(true);
  });
});
