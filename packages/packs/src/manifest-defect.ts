import { artifactPath, leavesTheTree } from '@starling/shared/manifest.ts';
import { maxChunkBytes } from './cuts.ts';
import { maxReferenceBytes, maxTargetBytes } from './delta-format.ts';
import type { BuildManifest, TreeEntry } from './manifest.ts';
import { areInOrder } from './manifest-entries.ts';

/**
 * What is wrong with a manifest by itself, or undefined: paths that are no paths of an artifact or lie below what is no
 * folder, links that lead out, chunks that do not tile the files, ranges that are not in their packs or builds.
 */
export function manifestDefect(manifest: Omit<BuildManifest, 'signature'>): string | undefined {
  return treeDefect(manifest) ?? packDefect(manifest) ?? patchDefect(manifest);
}

type Unsigned = Omit<BuildManifest, 'signature'>;

function treeDefect({ build, entries, chunks }: Unsigned): string | undefined {
  if (build === '') return 'it names no build';
  if (!areInOrder(entries)) return 'its paths are out of order, or one stands twice';
  const leaves = new Set<string>();
  let fileBytes = 0;
  for (const entry of entries) {
    const defect = entryDefect(entry, leaves);
    if (defect !== undefined) return defect;
    if (entry.type !== 'directory') leaves.add(entry.path);
    if (entry.type === 'file') fileBytes += entry.sizeBytes;
  }
  let chunkBytes = 0;
  for (const { length, encodedLength } of chunks) {
    if (length < 1 || length > maxChunkBytes) return `a chunk has ${length} bytes`;
    if (encodedLength < 1 || encodedLength > length) return `a chunk of ${length} bytes takes ${encodedLength}`;
    chunkBytes += length;
  }
  return fileBytes === chunkBytes ? undefined : `its files have ${fileBytes} bytes, its chunks ${chunkBytes}`;
}

function entryDefect(entry: TreeEntry, leaves: ReadonlySet<string>): string | undefined {
  const { path } = entry;
  if (!artifactPath.safeParse(path).success) return `${JSON.stringify(path)} is no path of an artifact`;
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    if (leaves.has(path.slice(0, end))) return `${path} lies below ${path.slice(0, end)}, which is no folder`;
  if (entry.type === 'link') {
    if (entry.target === '' || entry.target.includes('\0')) return `the link ${path} leads nowhere`;
    if (leavesTheTree(path, entry.target)) return `the link ${path} leads out of the artifact, to ${entry.target}`;
  }
  return undefined;
}

function packDefect({ packs, chunks, patches }: Unsigned): string | undefined {
  if (new Set(packs.map(({ digest }) => digest)).size !== packs.length) return 'a pack stands twice';
  const isInside = (pack: number, offset: number, length: number) => {
    const sizeBytes = packs[pack]?.sizeBytes;
    return sizeBytes !== undefined && offset >= 0 && offset + length <= sizeBytes;
  };
  for (const { pack, offset, encodedLength, digest } of chunks)
    if (!isInside(pack, offset, encodedLength)) return `the chunk ${digest} is not within a pack`;
  for (const { pack, offset, length, firstChunk } of patches)
    if (!isInside(pack, offset, length)) return `the patch of chunk ${firstChunk} is not within a pack`;
  return undefined;
}

function patchDefect({ chunks, patches, ancestors }: Unsigned): string | undefined {
  let lastEnd = 0;
  for (const patch of patches) {
    const { firstChunk, chunkCount, length, referenceStart, referenceLength, depth } = patch;
    const which = `the patch of chunk ${firstChunk}`;
    if (firstChunk < lastEnd) return `${which} is out of order`;
    if (chunkCount < 1 || firstChunk + chunkCount > chunks.length) return `${which} is for chunks that are not there`;
    if (length < 1 || depth < 1) return `${which} is empty`;
    lastEnd = firstChunk + chunkCount;
    let targetBytes = 0;
    for (let chunk = firstChunk; chunk < lastEnd; chunk += 1) {
      targetBytes += chunks[chunk]!.length;
      if (targetBytes > maxTargetBytes) return `${which} is for too many bytes`;
    }
    const ancestor = ancestors[patch.ancestor];
    if (!ancestor) return `${which} is against a build that is not named`;
    if (referenceStart < 0 || referenceLength < 1 || referenceLength > maxReferenceBytes)
      return `${which} has no good reference`;
    if (referenceStart + referenceLength > ancestor.streamBytes) return `${which} refers beyond its build`;
  }
  return undefined;
}
