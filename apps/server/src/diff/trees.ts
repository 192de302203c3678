import { type BuildManifest, chunkStarts, chunksTouching, type TreeEntry } from '@starling/packs/manifest.ts';

// What differs between the files of two builds, by their manifests alone. A manifest names chunks, which need not begin and
// end with files: so of a file of the same size that shares its first or last chunk with a neighbour, it cannot always be
// told whether it is the neighbour that changed.

export type FileChange = 'added' | 'removed' | 'changed' | 'unsure';

export interface ChangedFile {
  path: string;
  change: FileChange;
  /** In the earlier and in the later build; null where it is not there. In bytes; 0 for what is no file. */
  sizeBefore: number | null;
  sizeAfter: number | null;
}

export interface TreeDiff {
  /** By path; no more than were asked for. */
  files: ChangedFile[];
  counts: Record<FileChange | 'same', number>;
  /** Of all files' contents. */
  bytesBefore: number;
  bytesAfter: number;
  /** In chunks of the later build that the earlier has not: what a machine that has it lacks, before patches and compression. */
  bytesNew: number;
}

type Tree = Pick<BuildManifest, 'entries' | 'chunks'>;

export function diffTrees(before: Tree, after: Tree, most: number): TreeDiff {
  const [old, now] = [placesOf(before), placesOf(after)];
  const counts = { added: 0, removed: 0, changed: 0, unsure: 0, same: 0 };
  const files: ChangedFile[] = [];
  const paths = [...new Set([...old.entries.keys(), ...now.entries.keys()])].sort();
  for (const path of paths) {
    const [was, is] = [old.entries.get(path), now.entries.get(path)];
    const change = changeOf(old, was, now, is);
    counts[change] += 1;
    if (change === 'same' || files.length >= most) continue;
    files.push({ path, change, sizeBefore: was ? sizeOf(was.entry) : null, sizeAfter: is ? sizeOf(is.entry) : null });
  }
  const known = new Set(before.chunks.map(({ digest }) => digest));
  const bytesNew = after.chunks.reduce((sum, { digest, length }) => (known.has(digest) ? sum : sum + length), 0);
  return { files, counts, bytesBefore: old.bytes, bytesAfter: now.bytes, bytesNew };
}

interface Place {
  entry: TreeEntry;
  /** Where its content begins in the stream. */
  start: number;
}
interface Places {
  tree: Tree;
  starts: Float64Array;
  entries: Map<string, Place>;
  bytes: number;
}

function placesOf(tree: Tree): Places {
  const entries = new Map<string, Place>();
  let start = 0;
  for (const entry of tree.entries) {
    entries.set(entry.path, { entry, start });
    start += sizeOf(entry);
  }
  return { tree, starts: chunkStarts(tree), entries, bytes: start };
}

const sizeOf = (entry: TreeEntry): number => (entry.type === 'file' ? entry.sizeBytes : 0);

function changeOf(old: Places, was: Place | undefined, now: Places, is: Place | undefined): FileChange | 'same' {
  if (!was) return 'added';
  if (!is) return 'removed';
  const [a, b] = [was.entry, is.entry];
  if (a.type === 'link' && b.type === 'link') return a.target === b.target ? 'same' : 'changed';
  if (a.type !== 'file' || b.type !== 'file') return a.type === b.type ? 'same' : 'changed';
  if (a.sizeBytes !== b.sizeBytes || a.executable !== b.executable) return 'changed';
  if (a.sizeBytes === 0) return 'same';
  return compare(cover(old, was.start, a.sizeBytes), cover(now, is.start, b.sizeBytes));
}

interface Piece {
  digest: string;
  /** Where the file begins in it, which is before it for all but the first; and whether all of it is the file's. */
  offset: number;
  isWhole: boolean;
}

/** The chunks that a file lies in. */
function cover({ tree, starts }: Places, start: number, length: number): Piece[] {
  const [first, end] = chunksTouching(starts, start, length);
  return tree.chunks.slice(first, end).map(({ digest, length: chunkLength }, index) => {
    const chunkStart = starts[first + index]!;
    const isWhole = chunkStart >= start && chunkStart + chunkLength <= start + length;
    return { digest, offset: start - chunkStart, isWhole };
  });
}

function compare(old: readonly Piece[], now: readonly Piece[]): FileChange | 'same' {
  const isSame = (a: Piece | undefined, b: Piece | undefined) => a?.digest === b?.digest && a?.offset === b?.offset;
  if (old.length === now.length && old.every((piece, index) => isSame(piece, now[index]))) return 'same';
  // A chunk that is only this file's, at the same place in it, and has other bytes: nobody else can be the reason.
  const byOffset = new Map(old.filter(({ isWhole }) => isWhole).map((piece) => [piece.offset, piece.digest]));
  const differs = now.some(({ isWhole, offset, digest }) => {
    const before = isWhole ? byOffset.get(offset) : undefined;
    return before !== undefined && before !== digest;
  });
  return differs ? 'changed' : 'unsure';
}
