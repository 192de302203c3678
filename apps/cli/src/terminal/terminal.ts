import { stripVTControlCharacters, styleText } from 'node:util';
import type { Config } from '../config.ts';

export type Tone = 'good' | 'bad' | 'busy' | 'warn' | 'quiet' | 'strong';
/** Colours a piece of text, or leaves it as it is where there are no colours. */
export type Paint = (tone: Tone, text: string) => string;

export interface Stream {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters in a line; undefined when nobody looks at lines. */
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  readonly paint: Paint;
}

/** Where a command speaks: `out` is for data, `err` for everything said on the way. */
export interface Terminal {
  out: Stream;
  err: Stream;
  /** `out` for what is longer than memory: it is written to as fast as it is read, no faster. */
  rawOut: NodeJS.WritableStream;
  unicode: boolean;
  /** Whether displays on `err` may be drawn over, and on `out`. */
  canRedraw: boolean;
  /** Whether somebody is there to answer a question. */
  canAsk: boolean;
}

const formats = { good: 'green', bad: 'red', busy: 'cyan', warn: 'yellow', quiet: 'dim', strong: 'bold' } as const;

export const plainPaint: Paint = (_tone, text) => text;
export const colourPaint: Paint = (tone, text) => styleText(formats[tone], text, { validateStream: false });

export function openTerminal(config: Config): Terminal {
  const stream = (target: NodeJS.WriteStream): Stream => ({
    write: (text) => void target.write(text),
    isTerminal: target.isTTY === true,
    get columns() {
      return target.isTTY ? target.columns : undefined;
    },
    get rows() {
      return target.isTTY ? target.rows : undefined;
    },
    paint:
      config.colour === 'always' || (config.colour === 'if terminal' && target.isTTY === true)
        ? colourPaint
        : plainPaint,
  });
  return {
    out: stream(process.stdout),
    err: stream(process.stderr),
    rawOut: process.stdout,
    unicode: config.unicode,
    canRedraw: config.canRedraw,
    canAsk: process.stdin.isTTY === true && process.stderr.isTTY === true,
  };
}

/**
 * Text from elsewhere (a commit's subject, a machine's complaint) on one line and without control characters, so that
 * it can neither break a table nor drive the terminal.
 */
export function oneLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .trim();
}
