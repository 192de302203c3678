import { stripVTControlCharacters } from 'node:util';
import { widthOf } from './table.ts';
import type { Stream } from './terminal.ts';

const clearBelow = '\u001b[0J';
const up = (lines: number) => (lines > 0 ? `\u001b[${lines}A` : '');

/** A block of text on a terminal that each next one takes the place of. */
export class Redrawn {
  readonly #stream: Stream;
  #height = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Shows `text`, cut to what fits: a line that wraps or scrolls away could not be drawn over. */
  show(text: string): void {
    const { columns = 80, rows = 24 } = this.#stream;
    const lines = text.replace(/\n$/, '').split('\n');
    const fitting = lines.slice(0, Math.max(1, rows - 2));
    if (fitting.length < lines.length) {
      fitting.push(`(${lines.length - fitting.length} more lines: make the window higher, or name a project)`);
    }
    const drawn = fitting.map((line) =>
      widthOf(line) < columns ? line : [...stripVTControlCharacters(line)].slice(0, columns - 1).join(''),
    );
    this.#stream.write(`${up(this.#height)}\r${clearBelow}${drawn.join('\n')}\n`);
    this.#height = drawn.length;
  }
}
