import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TerminalLog } from './log-text.ts';

const show = (keepColours: boolean, ...pieces: string[]) => {
  const log = new TerminalLog(keepColours);
  return pieces.map((piece) => log.push(piece)).join('');
};

test('colours stay, everything that drives the terminal goes', () => {
  const nasty = '\u001b[31mred\u001b[0m\u001b[2J\u001b[3;4Hx\u001b]52;c;aGk=\u0007y\u001b]0;title\u001b\\z\u0008\n';
  expect(show(true, nasty)).toBe('\u001b[31mred\u001b[0mxyz\n');
  expect(show(false, nasty)).toBe('redxyz\n');
});

test('line feeds, carriage returns and tabs stay', () => {
  expect(show(true, 'a\tb\r 10 %\r 20 %\n')).toBe('a\tb\r 10 %\r 20 %\n');
});

test('a sequence that is cut between two pieces is no way around it', () => {
  expect(show(true, 'a\u001b', '[2Jb')).toBe('ab');
  expect(show(true, 'a\u001b[3', '1mb')).toBe('a\u001b[31mb');
  expect(show(true, 'a\u001b]0;tit', 'le\u0007b')).toBe('ab');
});

test('however a log is cut, only colours come through', () => {
  const parts = fc.constantFrom(
    'text',
    '\u001b[1m',
    '\u001b[2J',
    '\u001b]0;t\u0007',
    '\u001b',
    '[',
    '31m',
    '\u009b2J',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), fc.nat(40), (all, cut) => {
      const text = all.join('');
      const shown = show(true, text.slice(0, cut), text.slice(cut));
      expect(shown.replace(/\u001b\[[0-9;:]*m/g, '')).not.toMatch(
        /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/,
      );
    }),
  );
});
