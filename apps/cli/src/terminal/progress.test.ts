import { TestClock } from '@starling/shared/clock.ts';
import { expect, test } from 'vitest';
import { openProgress, type ProgressLine } from './progress.ts';
import { plainPaint, type Stream } from './terminal.ts';

function plainProgress() {
  let written = '';
  const stream: Stream = {
    write: (text) => void (written += text),
    isTerminal: false,
    columns: undefined,
    rows: undefined,
    paint: plainPaint,
  };
  const clock = new TestClock();
  const terminal = { out: stream, err: stream, rawOut: process.stdout, unicode: true, canRedraw: true, canAsk: false };
  return { clock, progress: openProgress('Deployment 3', terminal, clock), lines: () => written.trim().split('\n') };
}

const eu = (state: ProgressLine['state'], text: string): ProgressLine[] => [{ key: 'eu', state, text }];

test('off a terminal a line for each change of state, and growing numbers now and then', async () => {
  const { clock, progress, lines } = plainProgress();
  progress.update(eu('waiting', 'eu waits'));
  progress.update(eu('busy', 'eu 1 %'));
  progress.update(eu('busy', 'eu 2 %'));
  await clock.advance(5_000);
  progress.update(eu('busy', 'eu 40 %'));
  progress.update(eu('busy', 'eu 41 %'));
  progress.update(eu('done', 'eu done'));
  progress.update(eu('done', 'eu done'));
  expect(lines()).toEqual(['Deployment 3', '  ● eu 1 %', '  ● eu 40 %', '  ✔ eu done']);
});

test('a remark is made once until there is news again', () => {
  const { progress, lines } = plainProgress();
  progress.remark('no answer');
  progress.remark('no answer');
  progress.update(eu('busy', 'eu 1 %'));
  progress.remark('no answer');
  expect(lines()).toEqual(['Deployment 3', '  ▲ no answer', '  ● eu 1 %', '  ▲ no answer']);
});
