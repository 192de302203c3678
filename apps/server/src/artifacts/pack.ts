import { lstat, open } from 'node:fs/promises';
import type { StreamFile } from '@starling/packs/file-stream.ts';
import { type MadePack, makePack } from '@starling/packs/make-pack.ts';
import {
  type Ancestor,
  type BuildManifest,
  depthFinder,
  type ManifestPack,
  streamBytesOf,
  type TreeEntry,
} from '@starling/packs/manifest.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { TorrentHasher } from '@starling/swarm/torrent-info.ts';
import { Lending } from './lending.ts';
import { type ScannedEntry, type ScanRequest, scanArtifact } from './scan.ts';

// An artifact becomes chunks, and a pack of those that no live build has. Nothing counts of its files but path, content and
// whether they can be executed, so the same tree, with the same builds before it, gives the same pack on every machine.

export interface PackRequest extends ScanRequest {
  /** Where the pack is written; what is there already is replaced. There is no file when nothing is new. */
  packFile: string;
  /** Builds to borrow from, the newest first; patches are made against the newest. */
  earlier?: readonly Manifest[];
  /** The files of the newest of them, unpacked on this machine; asked for once the artifact was found to be one. */
  previousTree?: () => Promise<readonly StreamFile[] | undefined>;
  /** Called now and then with the bytes read so far. */
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

export type PackedTree = Pick<BuildManifest, 'entries' | 'packs' | 'chunks' | 'ancestors' | 'patches'>;

export interface PackedArtifact {
  tree: PackedTree;
  /** Where each of its files is, in path order. */
  files: StreamFile[];
  /** Undefined when nothing is new. */
  newPack: { digest: string; sizeBytes: number; patchBytes: number; infoHash: string } | undefined;
  streamBytes: number;
  /** Of these, in chunks that the new pack has. */
  newBytes: number;
  newChunkCount: number;
  fileCount: number;
}

/** The same for all, so that the same bytes are the same swarm. */
const torrentName = 'pack';
const mostAncestors = 4;

/**
 * Packs a file or folder of a checkout. Throws INVALID_INPUT, with the field `build.artifact`, when the artifact is missing,
 * empty, outside the checkout, of too many entries, of things that are no files, or changes meanwhile; UNAVAILABLE when
 * the disk does not take the pack.
 */
export async function packArtifact(request: PackRequest): Promise<PackedArtifact> {
  const scanned = await scanArtifact(request);
  const { earlier = [], packFile, signal, onProgress } = request;
  const [newest] = earlier;
  const files = scanned.flatMap((entry) =>
    entry.type === 'file' ? [{ name: entry.path, path: entry.file, sizeBytes: entry.sizeBytes }] : [],
  );
  const previous = newest && (await request.previousTree?.());
  const lending = new Lending(earlier);
  const making = makePack({
    files,
    onCut: (chunks) => lending.decide(chunks),
    known: (digest) => lending.find(digest),
    ...(previous ? { previous: { files: previous }, depthOf: depthFinder(newest) } : {}),
    packFile,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress: (stage, done, total) => stage === 'chunk' && onProgress(done, total) } : {}),
  });
  const made = await making.catch(async (thrown) => {
    signal?.throwIfAborted();
    await insistUnchanged(scanned);
    throw thrown;
  });
  await insistUnchanged(scanned);
  const torrent = made.pack && (await torrentOf(packFile, made.pack.sizeBytes, signal));
  const own: ManifestPack[] =
    made.pack && torrent
      ? [{ digest: made.pack.digest, sizeBytes: made.pack.sizeBytes, torrentInfo: Buffer.from(torrent.info, 'base64') }]
      : [];
  const newChunks = new Map(made.chunks.flatMap(({ pack, digest, length }) => (pack === '' ? [[digest, length]] : [])));
  return {
    tree: { entries: scanned.map(asEntry), ...placed(made, earlier, own), ancestors: ancestorsOf(newest) },
    files,
    newPack: made.pack && torrent && { ...made.pack, infoHash: torrent.infoHash },
    streamBytes: streamBytesOf(made),
    newBytes: [...newChunks.values()].reduce((sum, length) => sum + length, 0),
    newChunkCount: newChunks.size,
    fileCount: files.length,
  };
}

/** Chunks and patches with the packs that they are in: those that are borrowed from, and the build's own as the last. */
function placed(
  { chunks, patches }: MadePack,
  earlier: readonly Manifest[],
  own: ManifestPack[],
): Pick<PackedTree, 'packs' | 'chunks' | 'patches'> {
  const known = new Map(earlier.flatMap(({ packs }) => packs.map((pack) => [pack.digest, pack])));
  const borrowed = [...new Set(chunks.map(({ pack }) => pack))].filter((digest) => digest !== '');
  const packs = [...borrowed.map((digest) => known.get(digest)!), ...own];
  const indexOf = new Map(packs.map(({ digest }, index) => [digest, index]));
  const last = packs.length - 1;
  return {
    packs,
    chunks: chunks.map(({ pack, ...chunk }) => ({ ...chunk, pack: pack === '' ? last : indexOf.get(pack)! })),
    patches: patches.map((patch) => ({ ...patch, pack: last, ancestor: 0 })),
  };
}

function ancestorsOf(newest: Manifest | undefined): Ancestor[] {
  if (!newest) return [];
  const { build, digest: manifestDigest } = newest;
  return [{ build, manifestDigest, streamBytes: streamBytesOf(newest) }, ...newest.ancestors].slice(0, mostAncestors);
}

function asEntry(entry: ScannedEntry): TreeEntry {
  if (entry.type !== 'file') return entry;
  const { type, path, executable, sizeBytes } = entry;
  return { type, path, executable, sizeBytes };
}

/** Files that are written to while they are read in several passes would give chunks that no reader can make. */
async function insistUnchanged(scanned: readonly ScannedEntry[]): Promise<void> {
  for (const entry of scanned) {
    if (entry.type !== 'file') continue;
    const now = await lstat(entry.file).catch((thrown: NodeJS.ErrnoException) => thrown);
    const how =
      now instanceof Error
        ? `it cannot be opened any more (${now.code})`
        : now.size !== entry.sizeBytes
          ? `it had ${entry.sizeBytes} bytes and now has ${now.size}`
          : now.mtimeMs !== entry.modifiedMs
            ? 'it was written to'
            : undefined;
    if (how !== undefined)
      throw new StarlingError('INVALID_INPUT', `${entry.path} changed while it was packed: ${how}`, {
        field: 'build.artifact',
        fix: 'Let the recipe end only when everything that it started has ended.',
      });
  }
}

async function torrentOf(packFile: string, sizeBytes: number, signal: AbortSignal | undefined) {
  const hasher = new TorrentHasher(torrentName, sizeBytes);
  const file = await open(packFile, 'r');
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (let at = 0; at < sizeBytes; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error('the pack became shorter while it was read');
      hasher.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return hasher.finish();
}
