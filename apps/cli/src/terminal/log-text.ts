import { stripVTControlCharacters } from 'node:util';

// A build's log is whatever its recipe printed. On a terminal its colours may stay, but nothing that moves the cursor,
// retitles the window or writes to the clipboard.

const escapeCharacter = '\u001b';
/** An escape sequence that has begun and may go on in the next piece. */
const unfinished = /\u001b(?:\[[0-9;:?]*|\][^\u0007\u001b]{0,4096})?$/;
const colourOrOther = /\u001b\[[0-9;:]*m|(?:\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\|$))|[\s\S]/g;

/** Makes pieces of a log, in order, fit for a terminal. Holds back what only the next piece completes. */
export class TerminalLog {
  readonly #keepColours: boolean;
  #held = '';

  constructor(keepColours: boolean) {
    this.#keepColours = keepColours;
  }

  /** The part of `piece`, and of what was held back, that can be shown now. */
  push(piece: string): string {
    const text = this.#held + piece;
    const cut = unfinished.exec(text)?.index ?? text.length;
    this.#held = text.slice(cut);
    return this.#clean(text.slice(0, cut));
  }

  #clean(text: string): string {
    if (!text.includes(escapeCharacter)) return withoutControls(text);
    if (!this.#keepColours) return withoutControls(stripVTControlCharacters(text));
    // Colours are set aside while the rest is cleaned, then put back.
    let plain = '';
    let result = '';
    for (const [match] of text.matchAll(colourOrOther)) {
      if (match.length > 2 && match.endsWith('m') && match.startsWith(`${escapeCharacter}[`)) {
        result += withoutControls(stripVTControlCharacters(plain)) + match;
        plain = '';
      } else {
        plain += match;
      }
    }
    return result + withoutControls(stripVTControlCharacters(plain));
  }
}

/** Line feeds, carriage returns and tabs stay: progress bars of build tools live on them. */
function withoutControls(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '');
}
