import { stripVTControlCharacters } from 'node:util';
import { type Paint, plainPaint } from './terminal.ts';

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

/** How many places a text takes; colours take none. */
export function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** Cuts a text without colours to `width` places, with a sign that something is missing. */
export function shorten(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  return width <= 1 ? characters.slice(0, width).join('') : `${characters.slice(0, width - 1).join('')}…`;
}

/**
 * Rows under their titles, aligned, ending in a line feed. With `columns` the last column is cut so that no line is
 * longer; without (not on a terminal) nothing is cut.
 */
export function formatTable(
  header: readonly Column[],
  rows: readonly (readonly string[])[],
  { columns, paint = plainPaint }: { columns?: number | undefined; paint?: Paint } = {},
): string {
  const widths = header.map((column, index) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  const last = header.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  const room = columns === undefined ? undefined : Math.max(columns - before, 8);
  const line = (cells: readonly string[]) =>
    header
      .map((column, index) => {
        const cell = cells[index] ?? '';
        if (index === last && column.align !== 'right') {
          return room !== undefined && widthOf(cell) > room ? shorten(stripVTControlCharacters(cell), room) : cell;
        }
        const padding = ' '.repeat(widths[index]! - widthOf(cell));
        return column.align === 'right' ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd();
  const titles = paint('quiet', line(header.map((column) => column.title)));
  return [titles, ...rows.map(line)].map((text) => `${text}\n`).join('');
}
