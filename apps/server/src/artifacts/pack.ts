import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskError } from '@starling/host/disk-error.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { ArtifactEntry, ArtifactFile, Pack } from '@starling/shared/manifest.ts';
import { TorrentHasher } from '@starling/swarm/torrent-info.ts';
import { type ScannedEntry, type ScanRequest, scanArtifact } from './scan.ts';

// An artifact becomes one file, its pack: the contents of its files, one after another in the order of their paths.
// Nothing else of them counts but path, content and whether they can be executed, so the same tree gives the same
// pack on every machine.

export interface PackRequest extends ScanRequest {
  /** Where the pack is written; what is there already is replaced. */
  packFile: string;
  /** Called about once a MiB with the bytes packed so far. */
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

export interface PackedArtifact {
  entries: ArtifactEntry[];
  pack: Pack;
  fileCount: number;
}

const bufferBytes = 1024 * 1024;
/** The same for all, so that the same bytes are the same swarm. */
const torrentName = 'pack';

/**
 * Packs a file or folder of a checkout, reading each byte once. Throws INVALID_INPUT, with the field `build.artifact`,
 * when the artifact is missing, empty, outside the checkout, of too many entries, of things that are no files, or
 * changes meanwhile; UNAVAILABLE when the disk does not take the pack.
 */
export async function packArtifact(request: PackRequest): Promise<PackedArtifact> {
  const scanned = await scanArtifact(request);
  const files = scanned.filter((entry) => entry.type === 'file');
  const bytesTotal = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const writer = new PackWriter(bytesTotal, files.length, request);
  const output = await open(request.packFile, 'w').catch((thrown) => {
    throw diskError(thrown, dirname(request.packFile));
  });
  try {
    const entries: ArtifactEntry[] = [];
    for (const entry of scanned) entries.push(entry.type === 'file' ? await writer.add(entry, output) : entry);
    return { entries, pack: writer.finish(), fileCount: files.length };
  } finally {
    await output.close();
  }
}

type ScannedFile = Extract<ScannedEntry, { type: 'file' }>;

class PackWriter {
  readonly #bytesTotal: number;
  readonly #request: PackRequest;
  readonly #buffers: [Buffer, Buffer];
  readonly #torrent: TorrentHasher;
  /** Undefined for a single file, whose digest is the pack's as well. */
  readonly #whole: Hash | undefined;
  #lastDigest = '';
  #offset = 0;

  constructor(bytesTotal: number, fileCount: number, request: PackRequest) {
    this.#bytesTotal = bytesTotal;
    this.#request = request;
    const size = Math.min(bufferBytes, bytesTotal);
    this.#buffers = [Buffer.allocUnsafe(size), Buffer.allocUnsafe(size)];
    this.#torrent = new TorrentHasher(torrentName, bytesTotal);
    this.#whole = fileCount > 1 ? createHash('sha256') : undefined;
  }

  async add({ path, file, sizeBytes, modifiedMs, executable }: ScannedFile, output: FileHandle): Promise<ArtifactFile> {
    const { signal, onProgress } = this.#request;
    const start = this.#offset;
    const changed = (how: string) =>
      new StarlingError('INVALID_INPUT', `${path} changed while it was packed: ${how}`, {
        field: 'build.artifact',
        fix: 'Let the recipe end only when everything that it started has ended.',
      });
    const input = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((thrown) => {
      throw changed(`it cannot be opened any more (${(thrown as NodeJS.ErrnoException).code})`);
    });
    try {
      const digest = createHash('sha256');
      let left = sizeBytes;
      // While one buffer is hashed and written, the next is read into the other.
      let [current, other] = this.#buffers;
      let reading = readInto(input, current, left);
      while (left > 0) {
        signal?.throwIfAborted();
        const bytesRead = await reading;
        if (bytesRead === 0) throw changed(`it had ${sizeBytes} bytes and ends after ${sizeBytes - left}`);
        left -= bytesRead;
        if (left > 0) reading = readInto(input, other, left);
        const chunk = current.subarray(0, bytesRead);
        const writing = this.#write(output, chunk);
        digest.update(chunk);
        this.#whole?.update(chunk);
        this.#torrent.update(chunk);
        await writing;
        onProgress?.(this.#offset, this.#bytesTotal);
        [current, other] = [other, current];
      }
      const after = await input.stat();
      if (after.size !== sizeBytes) throw changed(`it had ${sizeBytes} bytes and now has ${after.size}`);
      if (after.mtimeMs !== modifiedMs) throw changed('it was written to');
      this.#lastDigest = digest.digest('hex');
      return { type: 'file', path, executable, sizeBytes, offset: start, sha256: this.#lastDigest };
    } finally {
      await input.close();
    }
  }

  finish(): Pack {
    const sha256 = this.#whole?.digest('hex') ?? this.#lastDigest;
    return { sha256, sizeBytes: this.#bytesTotal, torrent: this.#torrent.finish() };
  }

  async #write(output: FileHandle, chunk: Buffer): Promise<void> {
    try {
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await output.write(chunk, done, chunk.length - done, this.#offset + done);
        done += bytesWritten;
      }
    } catch (thrown) {
      throw diskError(thrown, dirname(this.#request.packFile));
    }
    this.#offset += chunk.length;
  }
}

function readInto(input: FileHandle, buffer: Buffer, atMost: number): Promise<number> {
  if (atMost === 0) return Promise.resolve(0);
  const reading = input.read(buffer, 0, Math.min(atMost, buffer.length)).then(({ bytesRead }) => bytesRead);
  // Who awaits it sees its failure; when the writing fails first, nobody does.
  reading.catch(() => {});
  return reading;
}
