import { systemClock, TestClock } from '@starling/shared/clock.ts';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { JobLog, type JobLogOptions } from './job-log.ts';

const log = pino({ level: 'silent' });

function openLog(more: Partial<JobLogOptions> = {}) {
  const pieces: string[] = [];
  const jobLog = new JobLog({
    append: async (sequence, text) => {
      pieces[sequence] = text;
    },
    clock: systemClock,
    log,
    ...more,
  });
  return { pieces, jobLog, text: () => pieces.join('') };
}

describe('JobLog', () => {
  it('gathers what comes within the flush time into one piece', async () => {
    const clock = new TestClock();
    const { jobLog, pieces } = openLog({ clock });
    await jobLog.output('one ');
    await jobLog.output('two');
    await clock.advance(199);
    expect(pieces).toEqual([]);
    await clock.advance(1);
    expect(pieces).toEqual(['one two']);
    jobLog.line('done');
    await clock.advance(200);
    expect(pieces).toEqual(['one two', '\ndone\n']);
  });

  it('keeps every character, whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 20 }), async (texts) => {
        const { jobLog, pieces, text } = openLog({ pieceChars: 7, flushMs: 1 });
        for (const said of texts) await jobLog.output(said);
        await jobLog.flush();
        expect(text()).toBe(texts.join('').replaceAll('\0', '\uFFFD'));
        for (const piece of pieces) {
          expect(piece.length).toBeLessThanOrEqual(7);
          expect(piece.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('drops output beyond its limit, but not the last word', async () => {
    const { jobLog, text } = openLog({ outputChars: 1024 });
    for (let count = 0; count < 100; count += 1) await jobLog.output(`${'x'.repeat(99)}\n`);
    jobLog.line('recipe finished');
    await jobLog.flush();
    expect(text()).toBe(`${`${'x'.repeat(99)}\n`.repeat(10)}log cut off at 1.0 KiB\nrecipe finished\n`);
  });

  it('makes who writes too fast wait', async () => {
    let store = () => {};
    const jobLog = new JobLog({
      append: () => new Promise<void>((resolve) => (store = resolve)),
      clock: systemClock,
      log,
      pieceChars: 10,
    });
    let written = 0;
    const writing = (async () => {
      for (; written < 50; written += 1) await jobLog.output('0123456789');
    })();
    while (written < 8) await systemClock.sleep(1);
    await systemClock.sleep(0);
    expect(written).toBeLessThan(12);
    const storing = setInterval(() => store(), 1);
    await writing;
    await jobLog.flush();
    clearInterval(storing);
    expect(written).toBe(50);
  });

  it('tries a piece again, and gives it up rather than the build', async () => {
    const clock = new TestClock();
    const stored: number[] = [];
    let tries = 0;
    const jobLog = new JobLog({
      append: async (sequence) => {
        tries += 1;
        if (sequence === 0 ? tries < 4 : sequence === 1) throw new Error('no database');
        stored.push(sequence);
      },
      clock,
      log,
    });
    for (const line of ['first', 'second', 'third']) {
      jobLog.line(line);
      const flushed = jobLog.flush();
      await clock.advance(120_000);
      await flushed;
    }
    expect(stored).toEqual([0, 2]);
  });
});
