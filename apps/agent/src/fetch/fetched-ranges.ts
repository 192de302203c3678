import { type FileHandle, open, readFile } from 'node:fs/promises';
import { isMissing } from '@starling/host/disk-error.ts';
import type { HubRange } from './hub-bytes.ts';

/** So many bytes are noted at a time: a kill costs at most as many, and a note costs a write to the disk. */
const noteEveryBytes = 256 * 1024;

/** What the name of the note ends with, after the name of the file with the ranges. */
export const noteEnding = '.done';

/**
 * A file with ranges of a pack at their places, and beside it (`<file>.done`) a note of what is there, a line `start end` for
 * each part. Bytes are on the disk before they are noted. The note only saves fetching twice: every chunk is checked when the
 * tree is put together, and when one is wrong both files go.
 */
export class FetchedRanges {
  readonly #file: FileHandle;
  readonly #note: FileHandle;
  readonly #done: HubRange[];
  #noted: HubRange | undefined;

  private constructor(file: FileHandle, note: FileHandle, done: HubRange[]) {
    this.#file = file;
    this.#note = note;
    this.#done = done;
  }

  /** Goes on with what is at `path`, or begins. */
  static async open(path: string): Promise<FetchedRanges> {
    const known = await open(path, 'r+').catch((thrown) => {
      if (isMissing(thrown)) return undefined;
      throw thrown;
    });
    const file = known ?? (await open(path, 'w+', 0o600));
    try {
      const { size } = await file.stat();
      const text = known ? await readFile(notePath(path), 'utf8').catch(() => '') : '';
      const note = await open(notePath(path), known ? 'a' : 'w', 0o600);
      // A line that a kill cut off must not run into the next one.
      if (text !== '' && !text.endsWith('\n')) await note.write('\n');
      return new FetchedRanges(file, note, notedIn(text, size));
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  /** What of a range is not here. */
  missing({ start, end }: HubRange): HubRange[] {
    const gaps: HubRange[] = [];
    let at = start;
    for (const done of this.#done.toSorted((a, b) => a.start - b.start)) {
      if (done.end <= at || done.start >= end) continue;
      if (done.start > at) gaps.push({ start: at, end: done.start });
      at = done.end;
    }
    if (at < end) gaps.push({ start: at, end });
    return gaps;
  }

  /** Writes bytes at their place; those that follow each other are noted together. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; )
      done += (await this.#file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    if (this.#noted && this.#noted.end !== position) await this.note();
    this.#noted ??= { start: position, end: position };
    this.#noted.end = position + bytes.length;
    if (this.#noted.end - this.#noted.start >= noteEveryBytes) await this.note();
  }

  /** Notes what was written and is not noted yet. */
  async note(): Promise<void> {
    const noted = this.#noted;
    this.#noted = undefined;
    if (!noted) return;
    await this.#file.datasync();
    await this.#note.write(`${noted.start} ${noted.end}\n`);
    this.#done.push(noted);
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#note.close();
  }
}

const notePath = (path: string) => `${path}${noteEnding}`;

function notedIn(text: string, sizeBytes: number): HubRange[] {
  return text.split('\n').flatMap((line) => {
    const [, first, last] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
    const [start, end] = [Number(first), Number(last)];
    return start < end && end <= sizeBytes ? [{ start, end }] : [];
  });
}
