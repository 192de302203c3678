import type { StreamFile } from './file-stream.ts';
import { type Landmarks, shiftOf } from './landmarks.ts';

export interface Tree {
  files: readonly StreamFile[];
  landmarks: Landmarks;
}

export interface Window {
  start: number;
  end: number;
  /** Where the stretch's first byte probably is; it may lie outside of the window. */
  place: number;
}

/** What a window reaches beyond its stretch on each side, at most and at least. */
const mostMarginBytes = 1024 * 1024;
const leastMarginBytes = 128 * 1024;

/**
 * Says where the previous build probably has what stands in a range of the new one: where its landmarks say; else where
 * the last range of the same file was found; else in the file of the same path, or of the same name but for digits.
 */
export class WindowFinder {
  readonly #newer: Tree;
  readonly #older: Tree;
  readonly #starts: number[] = [];
  readonly #olderByName = new Map<string, number>();
  #fileIndex = 0;
  #lastShift: { file: number; shift: number } | undefined;

  constructor(newer: Tree, older: Tree) {
    this.#newer = newer;
    this.#older = older;
    let start = 0;
    for (const { sizeBytes } of newer.files) {
      this.#starts.push(start);
      start += sizeBytes;
    }
    start = 0;
    for (const { name, sizeBytes } of older.files) {
      // A path as it is takes precedence over one that is alike.
      this.#olderByName.set(name, start);
      const alike = withoutDigits(name);
      if (!this.#olderByName.has(alike)) this.#olderByName.set(alike, start);
      start += sizeBytes;
    }
  }

  /** Ranges are asked for in ascending order. Undefined when the previous build is empty. */
  windowOf(start: number, end: number): Window | undefined {
    const olderBytes = this.#older.landmarks.sizeBytes;
    if (olderBytes === 0) return undefined;
    while (this.#fileIndex + 1 < this.#starts.length && this.#starts[this.#fileIndex + 1]! <= start)
      this.#fileIndex += 1;
    const file = this.#fileIndex;
    const shift =
      shiftOf(this.#newer.landmarks, this.#older.landmarks, start, end) ??
      (this.#lastShift?.file === file ? this.#lastShift.shift : undefined) ??
      this.#shiftByName(file) ??
      this.#lastShift?.shift ??
      0;
    this.#lastShift = { file, shift };
    const margin = Math.min(mostMarginBytes, Math.max(leastMarginBytes, (end - start) / 2));
    const place = start + shift;
    const from = Math.max(0, Math.min(Math.floor(place - margin), olderBytes));
    const to = Math.min(olderBytes, Math.max(from, Math.ceil(end + shift + margin)));
    return to > from ? { start: from, end: to, place } : undefined;
  }

  #shiftByName(file: number): number | undefined {
    const name = this.#newer.files[file]!.name;
    const olderStart = this.#olderByName.get(name) ?? this.#olderByName.get(withoutDigits(name));
    return olderStart === undefined ? undefined : olderStart - this.#starts[file]!;
  }
}

/** Versions and hashes in names change from build to build. */
function withoutDigits(name: string): string {
  return name.replace(/[0-9a-f]*\d[0-9a-f]*/g, '#');
}
