import { comparePaths } from '@starling/shared/manifest.ts';
import type { TreeEntry } from './manifest.ts';
import { type ByteReader, type ByteWriter, Malformed } from './varint.ts';

// The tree's entries in path order, each path as how much of the last one it keeps and what comes then.

const kinds = ['file', 'executable', 'link', 'directory'] as const;
const maxPathBytes = 4096;
/** Each file's size, and so a tree's, stays well within what a number holds exactly. */
export const maxFileBytes = 2 ** 46;

export function writeEntries(writer: ByteWriter, entries: readonly TreeEntry[]): void {
  writer.number(entries.length);
  let last = Buffer.alloc(0);
  for (const entry of entries) {
    const path = Buffer.from(entry.path);
    let kept = 0;
    while (kept < last.length && kept < path.length && last[kept] === path[kept]) kept += 1;
    writer.number(entry.type === 'file' && entry.executable ? 1 : kinds.indexOf(entry.type));
    writer.number(kept);
    writer.counted(path.subarray(kept));
    if (entry.type === 'file') writer.number(entry.sizeBytes);
    if (entry.type === 'link') writer.text(entry.target);
    last = path;
  }
}

/** Paths share what they keep, so memory is bounded by the number of entries and the longest path. */
export function readEntries(reader: ByteReader, most: number): TreeEntry[] {
  const count = reader.number(Math.min(most, Math.floor(reader.left / 3)), 'the number of entries');
  const entries: TreeEntry[] = [];
  let last = Buffer.alloc(0);
  // Kept parts cost a byte however long they are: all paths together may be this long.
  let pathBytesLeft = 64 * 1024 * 1024;
  for (let index = 0; index < count; index += 1) {
    const kind = kinds[reader.number(kinds.length - 1, 'the kind of an entry')]!;
    const kept = reader.number(last.length, 'the kept part of a path');
    const more = reader.counted(maxPathBytes - kept, 'a path');
    pathBytesLeft -= kept + more.length;
    if (pathBytesLeft < 0) throw new Malformed('its paths are too long together');
    if (more.length > 0 && last[kept] === more[0]) throw new Malformed('a path is not in its shortest form');
    last = Buffer.concat([last.subarray(0, kept), more]);
    const path = textOf(last);
    if (kind === 'directory') entries.push({ type: 'directory', path });
    else if (kind === 'link') entries.push({ type: 'link', path, target: reader.text(maxPathBytes, 'a link') });
    else {
      const sizeBytes = reader.number(maxFileBytes, 'the size of a file');
      entries.push({ type: 'file', path, executable: kind === 'executable', sizeBytes });
    }
  }
  return entries;
}

function textOf(path: Buffer): string {
  const text = path.toString();
  if (!Buffer.from(text).equals(path)) throw new Malformed('a path is not UTF-8');
  return text;
}

/** The order of a manifest. */
export function areInOrder(entries: readonly TreeEntry[]): boolean {
  return entries.every((entry, index) => index === 0 || comparePaths(entries[index - 1]!.path, entry.path) < 0);
}
