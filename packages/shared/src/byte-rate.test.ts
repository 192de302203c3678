import { describe, expect, it } from 'vitest';
import { byteRate, rateAt } from './byte-rate.ts';

const MiB = 1024 * 1024;

describe('a rate of bytes', () => {
  it('is another at some hours of the week, where clocks show them', () => {
    const rate = byteRate.parse('20MiB; mon-fri 08:00-18:00 Europe/Berlin = 5MiB; sat,sun 00:00-12:00 = none');
    // Thursday, 1 January 2026: Berlin is an hour ahead of UTC.
    expect(rateAt(rate, Date.UTC(2026, 0, 1, 6, 59))).toBe(20 * MiB);
    expect(rateAt(rate, Date.UTC(2026, 0, 1, 7, 0))).toBe(5 * MiB);
    expect(rateAt(rate, Date.UTC(2026, 0, 1, 16, 59))).toBe(5 * MiB);
    expect(rateAt(rate, Date.UTC(2026, 0, 1, 17, 0))).toBe(20 * MiB);
    expect(rateAt(rate, Date.UTC(2026, 0, 3, 11, 0))).toBeUndefined();
    expect(rateAt(rate, Date.UTC(2026, 0, 3, 13, 0))).toBe(20 * MiB);
  });

  it('may have no limit but at some hours, over the turn of the week too', () => {
    const rate = byteRate.parse('none; fri-mon 22:00-23:00 = 1MiB');
    expect(rateAt(rate, Date.UTC(2026, 0, 4, 22, 30))).toBe(MiB);
    expect(rateAt(rate, Date.UTC(2026, 0, 6, 22, 30))).toBeUndefined();
  });

  it.each([
    'fast',
    '0MiB',
    '20MiB; someday 08:00-18:00 = 5MiB',
    '20MiB; mon 8-18 = 5MiB',
    '20MiB; mon 08:00-18:00 = fast',
  ])('is not %s', (text) => expect(byteRate.safeParse(text).success).toBe(false));
});
