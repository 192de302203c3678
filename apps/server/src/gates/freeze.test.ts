import type { WeeklyWindow } from '@starling/shared/freezes.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Freeze, freezes, thawsAt } from './freeze.ts';

const at = (text: string) => Date.parse(text);
const freeze = (weekly: WeeklyWindow | null, more: Partial<Freeze> = {}): Freeze => ({
  id: 1,
  project: null,
  reason: 'r',
  startsAt: new Date(0),
  endsAt: null,
  weekly,
  ...more,
});
const weekend: WeeklyWindow = { days: ['fri'], from: '16:00', to: '08:00', timeZone: 'Europe/Berlin' };

describe('a freeze', () => {
  it('holds from its start up to its end', () => {
    const once = freeze(null, { startsAt: new Date('2026-12-20T00:00Z'), endsAt: new Date('2027-01-04T08:00Z') });
    expect(freezes(once, at('2026-12-19T23:59Z'))).toBe(false);
    expect(freezes(once, at('2026-12-20T00:00Z'))).toBe(true);
    expect(freezes(once, at('2027-01-04T07:59Z'))).toBe(true);
    expect(freezes(once, at('2027-01-04T08:00Z'))).toBe(false);
    expect(thawsAt(once, at('2026-12-25T00:00Z'))).toEqual(new Date('2027-01-04T08:00Z'));
    expect(thawsAt(freeze(null), 1)).toBeNull();
  });

  it.each([
    ['2026-03-06T14:59Z', false],
    ['2026-03-06T15:00Z', true],
    ['2026-03-07T06:59Z', true],
    ['2026-03-07T07:00Z', false],
    ['2026-03-07T15:00Z', false],
    // In summer time the same hours are an hour earlier in UTC.
    ['2026-07-03T14:00Z', true],
    ['2026-07-04T06:00Z', false],
  ])('every Friday night in Berlin at %s: %s', (time, expected) => {
    expect(freezes(freeze(weekend), at(time))).toBe(expected);
  });

  it('lets go when local clocks say so, also in a night in which they change', () => {
    // On 29 March 2026 clocks go from 02:00 to 03:00.
    const saturday = freeze({ ...weekend, days: ['sat'] });
    expect(thawsAt(saturday, at('2026-03-28T20:00Z'))).toEqual(new Date('2026-03-29T06:00Z'));
    expect(thawsAt(saturday, at('2026-03-21T20:00Z'))).toEqual(new Date('2026-03-22T07:00Z'));
  });

  it('holds until just before it lets go, whatever the window and the time', () => {
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
    const time = fc.record({ h: fc.integer({ min: 0, max: 23 }), m: fc.integer({ min: 0, max: 59 }) });
    const text = ({ h, m }: { h: number; m: number }) => `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`;
    const window = fc.record({
      days: fc.uniqueArray(fc.constantFrom(...days), { minLength: 1, maxLength: 5 }),
      from: time.map(text),
      to: time.map(text),
      timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'),
    });
    const moment = fc.integer({ min: at('2026-03-01T00:00Z') / 60_000, max: at('2026-11-30T00:00Z') / 60_000 });
    fc.assert(
      fc.property(window, moment, (weekly, minute) => {
        const nowMs = minute * 60_000;
        fc.pre(freezes(freeze(weekly), nowMs));
        const until = thawsAt(freeze(weekly), nowMs);
        if (until === null) return;
        expect(freezes(freeze(weekly), until.getTime() - 60_000)).toBe(true);
        expect(freezes(freeze(weekly), until.getTime())).toBe(false);
      }),
      { numRuns: 40 },
    );
  });
});
