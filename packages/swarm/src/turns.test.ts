import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextAsked, type Turn, whoseTurn } from './turns.ts';

const turn = (name: string, wantsUngiven: boolean, since = 0) => ({ name, wantsUngiven, since });
const chosen = (waiting: readonly (Turn & { name: string })[], now = 100) =>
  whoseTurn(waiting, (one) => one, now, 1_000)?.name;

describe('whoseTurn', () => {
  it.each([
    ['nobody, when nobody waits', [], undefined],
    ['the first, when all want what others have', [turn('a', false), turn('b', false)], 'a'],
    ['who wants what nobody was given', [turn('a', false), turn('b', true), turn('c', true)], 'b'],
    ['who has waited for too long', [turn('a', true, 0), turn('b', false, -1_000)], 'b'],
  ])('is that of %s', (_, waiting, expected) => expect(chosen(waiting)).toBe(expected));

  it('lets nobody wait for ever, whoever else comes', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), (wants) => {
        const patient = turn('patient', false, 0);
        let waiting = [patient, ...wants.map((wantsUngiven, index) => turn(`w${index}`, wantsUngiven))];
        for (let now = 0; now <= 1_000 + waiting.length; now += 1) {
          const served = waiting.find(({ name }) => name === chosen(waiting, now));
          if (served === patient) return true;
          waiting = [...waiting.filter((one) => one !== served), { ...(served as typeof patient), since: now }];
        }
        return false;
      }),
    );
  });
});

it('nextAsked is the first that nobody was given, else the one asked for first', () => {
  const gave = Uint8Array.from([1, 1, 0, 0]);
  expect(nextAsked([1, 3, 2], gave)).toBe(1);
  expect(nextAsked([1, 0], gave)).toBe(0);
});
