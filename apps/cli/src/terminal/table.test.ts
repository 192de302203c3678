import { expect, test } from 'vitest';
import { formatTable, shorten, widthOf } from './table.ts';
import { colourPaint } from './terminal.ts';

const header = [{ title: 'NAME' }, { title: 'N', align: 'right' as const }, { title: 'WHY' }];

test('columns are aligned, numbers to the right, and no line ends in spaces', () => {
  const rows = [
    ['a', '1', ''],
    ['longer', '10', 'because'],
  ];
  expect(formatTable(header, rows)).toBe(['NAME     N  WHY', 'a        1', 'longer  10  because', ''].join('\n'));
});

test('colours take no room', () => {
  const coloured = formatTable(header, [[colourPaint('bad', 'x'), '1', 'y']]);
  expect(widthOf(coloured.split('\n')[1]!)).toBe('x     1  y'.length);
});

test('on a terminal the last column is cut to fit; elsewhere nothing is', () => {
  const rows = [['a', '1', 'a reason that goes on for quite a while']];
  const lines = formatTable(header, rows, { columns: 30 }).trimEnd().split('\n');
  expect(Math.max(...lines.map(widthOf))).toBe(30);
  expect(lines[1]).toMatch(/…$/);
  expect(formatTable(header, rows)).toContain('quite a while');
});

test('shortening counts characters, not UTF-16 units', () => {
  expect(shorten('🐦🐦🐦🐦', 3)).toBe('🐦🐦…');
  expect(shorten('abc', 3)).toBe('abc');
});
