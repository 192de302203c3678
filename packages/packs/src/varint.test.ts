import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, Malformed } from './varint.ts';

describe('numbers', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), fc.array(fc.integer()), fc.string(), (numbers, signed, text) => {
        const writer = new ByteWriter(1);
        for (const number of numbers) writer.number(number);
        for (const number of signed) writer.signed(number);
        writer.text(text.toWellFormed());
        const reader = new ByteReader(writer.bytes());
        expect(numbers.map(() => reader.number(Number.MAX_SAFE_INTEGER, 'a number'))).toEqual(numbers);
        expect(signed.map(() => reader.signed(2 ** 40, 'a number'))).toEqual(signed.map((number) => number + 0));
        expect(reader.text(1_000, 'a text')).toBe(text.toWellFormed());
        reader.end();
      }),
    );
  });

  it.each<[string, number[], number]>([
    ['nothing', [], 9],
    ['half a number', [0x80], 9],
    ['a number with a zero at its end', [0x81, 0x00], 999],
    ['a number beyond what is allowed', [10], 9],
    ['a number without an end', [255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Number.MAX_SAFE_INTEGER],
  ])('are refused: %s', (_what, bytes, most) => {
    expect(() => new ByteReader(Uint8Array.from(bytes)).number(most, 'it')).toThrow(Malformed);
  });

  it('refuses a length beyond the bytes, text that is none, and what is left over', () => {
    expect(() => new ByteReader(Uint8Array.of(5, 1)).counted(9, 'it')).toThrow(/ends within it/);
    expect(() => new ByteReader(Uint8Array.of(1, 0xff)).text(9, 'it')).toThrow(/not UTF-8/);
    expect(() => new ByteReader(Uint8Array.of(1)).end()).toThrow(/left over/);
  });
});
