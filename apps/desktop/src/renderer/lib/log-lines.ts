import Anser from 'anser';

// A log arrives in pieces that end anywhere, with colours that may last over many lines. It is kept as lines that
// can be drawn one by one.

export interface LogSpan {
  text: string;
  /** Classes of the stylesheet, for example `ansi-red-fg font-bold`; empty for plain text. */
  className: string;
}

export interface LogLine {
  /** From 1, over the whole log. */
  number: number;
  attempt: number;
  text: string;
  /** Only for a line with colours. */
  spans: readonly LogSpan[] | null;
}

export interface LogPiece {
  attempt: number;
  sequence: number;
  text: string;
}

export const mostLines = 100_000;
const longestLine = 20_000;

/** Gathers pieces into lines. The last line may be unfinished; it is there all the same. */
export class LogText {
  #lines: LogLine[] = [];
  #open = '';
  #attempt = 1;
  #count = 0;
  /** The colour codes that are still in force at the end of the last line. */
  #colours = '';
  /** Lines that were let go of at the front because the log is longer than `mostLines`. */
  dropped = 0;

  /** Every line so far, in order. A new array after each `add`. */
  get lines(): readonly LogLine[] {
    if (this.#open === '') return this.#lines;
    const text = lastOverwrite(this.#open);
    return [...this.#lines, { number: this.#count + 1, attempt: this.#attempt, text: strip(text), spans: null }];
  }

  add(pieces: readonly LogPiece[]): void {
    const added: LogLine[] = [];
    for (const piece of pieces) {
      if (piece.attempt !== this.#attempt) {
        if (this.#open !== '') added.push(this.#close(this.#open));
        this.#open = '';
        this.#attempt = piece.attempt;
        this.#colours = '';
      }
      const parts = (this.#open + piece.text).split('\n');
      this.#open = parts.pop()!;
      for (const part of parts) added.push(this.#close(part));
      if (this.#open.length > longestLine) {
        added.push(this.#close(this.#open));
        this.#open = '';
      }
    }
    if (added.length === 0) return;
    const all = [...this.#lines, ...added];
    const surplus = Math.max(0, all.length - mostLines);
    this.dropped += surplus;
    this.#lines = surplus > 0 ? all.slice(surplus) : all;
  }

  #close(raw: string): LogLine {
    const source = lastOverwrite(raw);
    this.#count += 1;
    const line = { number: this.#count, attempt: this.#attempt };
    if (this.#colours === '' && !source.includes('\u001b')) return { ...line, text: source, spans: null };
    const spans = Anser.ansiToJson(this.#colours + source, { use_classes: true, remove_empty: true }).map(
      (part): LogSpan => ({ text: part.content, className: classesOf(part) }),
    );
    this.#colours = coloursAfter(this.#colours + source);
    return { ...line, text: spans.map((span) => span.text).join(''), spans };
  }
}

/** The colour codes of `text` since the last reset. */
function coloursAfter(text: string): string {
  let active: string[] = [];
  for (const [code, parameters] of text.matchAll(/\u001b\[([\d;]*)m/g)) {
    if (/^(0?|0;.*)$/.test(parameters ?? '')) active = [];
    if (!/^0?$/.test(parameters ?? '')) active.push(code);
  }
  // A program that never resets would make this grow; the newest codes decide.
  return active.slice(-8).join('');
}

/** What a terminal would show of a line in which a program went back to its beginning. */
function lastOverwrite(line: string): string {
  const ended = line.endsWith('\r') ? line.slice(0, -1) : line;
  return ended.slice(ended.lastIndexOf('\r') + 1);
}

const strip = (text: string) => Anser.ansiToText(text);

function classesOf(part: Anser.AnserJsonEntry): string {
  const classes: string[] = [];
  if (part.fg) classes.push(`${part.fg.startsWith('ansi-') ? part.fg : `ansi-${part.fg}`}-fg`);
  for (const decoration of part.decorations ?? []) {
    if (decoration === 'bold') classes.push('font-bold');
    if (decoration === 'italic') classes.push('italic');
    if (decoration === 'underline') classes.push('underline');
    if (decoration === 'dim') classes.push('opacity-80');
  }
  return classes.join(' ');
}

/** Indexes of the lines that contain `query`, upper and lower case alike. */
export function findInLog(lines: readonly LogLine[], query: string): number[] {
  const wanted = query.toLowerCase();
  if (wanted === '') return [];
  const found: number[] = [];
  lines.forEach((line, index) => {
    if (line.text.toLowerCase().includes(wanted)) found.push(index);
  });
  return found;
}
