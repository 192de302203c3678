import { describe, expect, it } from 'vitest';
import { findInLog, LogText, mostLines } from './log-lines.ts';

const read = (...texts: string[]) => {
  const log = new LogText();
  texts.forEach((text, sequence) => {
    log.add([{ attempt: 1, sequence, text }]);
  });
  return log;
};

describe('LogText', () => {
  it('joins pieces that end in the middle of a line and shows the unfinished one', () => {
    const log = read('make', ': all\nlin', 'king');
    expect(log.lines.map((line) => [line.number, line.text])).toEqual([
      [1, 'make: all'],
      [2, 'linking'],
    ]);
  });

  it('gives the same lines wherever the pieces are cut', () => {
    const text = 'one\n\u001b[31mtwo\u001b[0m\nthree\r\nfour\n';
    const whole = read(text).lines;
    for (let cut = 1; cut < text.length; cut += 1)
      expect(read(text.slice(0, cut), text.slice(cut)).lines).toEqual(whole);
  });

  it('keeps colours over lines until they are reset', () => {
    const lines = read('\u001b[1;31mred\nstill red\u001b[0m\nplain\n').lines;
    expect(lines[0]?.spans).toEqual([{ text: 'red', className: 'ansi-red-fg font-bold' }]);
    expect(lines[1]?.spans?.[0]).toEqual({ text: 'still red', className: 'ansi-red-fg font-bold' });
    expect(lines[2]?.text).toBe('plain');
    expect(lines[2]?.spans?.every((span) => span.className === '') ?? true).toBe(true);
  });

  it('shows what a terminal would after carriage returns', () => {
    expect(read(' 10 %\r 55 %\r100 %\ndone\r\n').lines.map((line) => line.text)).toEqual(['100 %', 'done']);
  });

  it('starts afresh with each attempt', () => {
    const log = new LogText();
    log.add([
      { attempt: 1, sequence: 0, text: 'cut of' },
      { attempt: 2, sequence: 0, text: 'again\n' },
    ]);
    expect(log.lines.map((line) => [line.attempt, line.text])).toEqual([
      [1, 'cut of'],
      [2, 'again'],
    ]);
  });

  it('lets go of the oldest lines of an endless log', () => {
    const log = read('x\n'.repeat(mostLines + 10));
    expect(log.lines.length).toBe(mostLines);
    expect(log.dropped).toBe(10);
    expect(log.lines[0]?.number).toBe(11);
  });
});

it('finds lines whatever their case', () => {
  expect(findInLog(read('Error: a\nfine\nanother ERROR\n').lines, 'error')).toEqual([0, 2]);
  expect(findInLog(read('a\n').lines, '')).toEqual([]);
});
