import { expect, it } from 'vitest';
import { parseByteRange } from './byte-range.ts';

it.each<[string | undefined, ReturnType<typeof parseByteRange>]>([
  [undefined, undefined],
  ['bytes=0-', { start: 0, end: 100 }],
  ['bytes=0-0', { start: 0, end: 1 }],
  ['bytes=10-19', { start: 10, end: 20 }],
  ['bytes=90-1000', { start: 90, end: 100 }],
  ['bytes=-10', { start: 90, end: 100 }],
  ['bytes=-1000', { start: 0, end: 100 }],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=20-10', undefined],
  ['bytes=-', undefined],
  ['bytes=0-1,5-6', undefined],
  ['items=0-1', undefined],
  ['bytes=9999999999999999999-', undefined],
])('reads %s of 100 bytes', (header, expected) => expect(parseByteRange(header, 100)).toEqual(expected));
