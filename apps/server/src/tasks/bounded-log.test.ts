import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BoundedLog } from './bounded-log.ts';

it('keeps all of what is short, in whatever pieces it comes', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 5 }), { maxLength: 10 }), (pieces) => {
      const log = new BoundedLog({ headChars: 20, tailChars: 30 });
      for (const piece of pieces) log.add(piece);
      expect(log.text).toBe(pieces.join('').replaceAll('\0', '\uFFFD'));
    }),
  );
});

it('keeps the beginning and the end of what is long, and says how much is missing', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,40}$/), { minLength: 30, maxLength: 60 }), (pieces) => {
      const log = new BoundedLog({ headChars: 5, tailChars: 10 });
      for (const piece of pieces) log.add(piece);
      const all = pieces.join('');
      const expected = `${all.slice(0, 5)}\n… ${all.length - 15} characters left out …\n${all.slice(-10)}`;
      expect(log.text).toBe(expected);
    }),
  );
});

it('hands over its text only when there is something new', () => {
  const log = new BoundedLog();
  expect(log.takeChanged()).toBeUndefined();
  log.line('one');
  expect(log.takeChanged()).toBe('one\n');
  expect(log.takeChanged()).toBeUndefined();
  log.add('two');
  log.line('three');
  expect(log.takeChanged()).toBe('one\ntwo\nthree\n');
});
