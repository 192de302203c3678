import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundedText, linesOf } from './json-lines.ts';

async function* inPieces(bytes: Uint8Array, sizes: number[]) {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}
const gather = async (lines: AsyncIterable<string>) => {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
};

describe('lines of a stream', () => {
  it('are the same however it comes in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter((line) => !line.includes('\n'))),
        fc.array(fc.nat(7)),
        async (lines, sizes) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
          expect(await gather(linesOf(inPieces(bytes, sizes), 1_000))).toEqual(lines);
        },
      ),
    );
  });

  it('leave out the end that was cut off', async () => {
    expect(await gather(linesOf(inPieces(Buffer.from('{"a":1}\n{"b"'), [3]), 100))).toEqual(['{"a":1}']);
  });

  it('end with an error at one that is too long, whether its end came or not', async () => {
    const long = Buffer.from(`ok\n${'x'.repeat(101)}`);
    await expect(gather(linesOf(inPieces(long, [50, 20]), 100))).rejects.toThrow('longer than 100 bytes');
    await expect(gather(linesOf(inPieces(Buffer.concat([long, Buffer.from('\n')]), []), 100))).rejects.toThrow(
      'longer than 100 bytes',
    );
  });
});

it('a text is refused when it is longer than its bound', async () => {
  expect(await boundedText(inPieces(Buffer.from('héllo'), [2]), 6)).toBe('héllo');
  await expect(boundedText(inPieces(Buffer.from('héllo'), [2]), 5)).rejects.toThrow('longer than 5 bytes');
});
