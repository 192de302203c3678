import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type PieceBuffer, PieceBuffers } from './piece-buffers.ts';

it('never lends more than its budget, but always one piece, and wakes who waits', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 400 })), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (turns) => {
      const buffers = new PieceBuffers(1_000);
      const lent: PieceBuffer[] = [];
      for (const [isTaking, length] of turns) {
        const taken = isTaking ? buffers.take(length) : undefined;
        if (taken) {
          expect(taken).toHaveLength(length);
          lent.push(taken);
        } else if (isTaking) {
          expect(lent.length).toBeGreaterThan(0);
        } else {
          const back = lent.pop();
          let woken = 0;
          buffers.wait(() => {
            woken += 1;
          });
          if (back) buffers.give(back);
          expect(woken).toBe(back ? 1 : 0);
        }
        const memory = lent.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
        expect(lent.length <= 1 || memory <= 1_000).toBe(true);
        expect(new Set(lent.map(({ buffer }) => buffer)).size).toBe(lent.length);
      }
    }),
  );
});

it('lends one piece that is larger than the budget', () => {
  const buffers = new PieceBuffers(10);
  const large = buffers.take(100);
  expect(large).toHaveLength(100);
  expect(buffers.take(1)).toBeUndefined();
  if (large) buffers.give(large);
  expect(buffers.take(1)).toHaveLength(1);
});

it('lets go of all once it is cleared, also of what comes back later, until something is taken again', () => {
  const buffers = new PieceBuffers(1_000);
  const [early, late] = [buffers.take(100), buffers.take(100)];
  if (!early || !late) throw new Error('there is room for both');
  buffers.give(early);
  buffers.clear();
  buffers.give(late);
  const next = buffers.take(100);
  if (!next) throw new Error('there is room for it');
  expect([early.buffer, late.buffer]).not.toContain(next.buffer);
  buffers.give(next);
  expect(buffers.take(100)?.buffer).toBe(next.buffer);
});
