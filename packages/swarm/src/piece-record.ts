import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';

// A pack of which only some pieces are here is a file with holes. What was verified is noted beside it, one byte a piece, so
// that a member that starts again need not read and hash through the holes. It is a hint and no more: what it names is
// checked by hash; what it fails to name is fetched again.

const magic = Buffer.from('StarlingPieces1\n');
/** The magic, the info hash, and two numbers that tell the pack file from another that lay here before. */
const headerBytes = magic.length + 20 + 16;

const ending = '.pieces';
const newEnding = `${ending}.new`;

/** What the names of a pack's record end with, a half written one too, after the name of the pack's file. */
export const recordEndings = [ending, newEnding] as const;

export const recordPath = (packPath: string): string => `${packPath}${ending}`;

/** Where the byte of a piece is in an open record. */
export interface RecordPlace {
  fd: number;
  position: number;
}

/**
 * Which pieces of the file at `packPath` may be right, one byte each, or undefined when any of them may be: when the
 * file has no holes, and when nothing was noted about this very file.
 */
export async function possiblePieces(
  packPath: string,
  infoHash: string,
  pieceCount: number,
): Promise<Uint8Array | undefined> {
  const header = await headerFor(packPath, infoHash);
  if (!header) return undefined;
  const { blocks, size } = await stat(packPath);
  if (blocks * 512 >= size) return undefined;
  let file: FileHandle | undefined;
  try {
    file = await open(recordPath(packPath), 'r');
    const bytes = Buffer.alloc(headerBytes + pieceCount);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead !== bytes.length || !bytes.subarray(0, headerBytes).equals(header)) return undefined;
    return new Uint8Array(bytes.subarray(headerBytes));
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}

/** Notes the verified pieces of one pack file while they come. */
export class PieceRecord {
  readonly #file: FileHandle;
  readonly #path: string;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Begins a record with what is there now; undefined where none can be kept, which costs only time at the next start. */
  static async begin(packPath: string, infoHash: string, has: Uint8Array): Promise<PieceRecord | undefined> {
    const path = recordPath(packPath);
    const header = await headerFor(packPath, infoHash);
    if (!header) return undefined;
    let file: FileHandle | undefined;
    try {
      // Whole or not at all, as a torn one would deny pieces that are there.
      const half = `${packPath}${newEnding}`;
      file = await open(half, 'w', 0o644);
      await file.writeFile(Buffer.concat([header, has]));
      await rename(half, path);
      return new PieceRecord(file, path);
    } catch {
      await file?.close();
      return undefined;
    }
  }

  /** Where to write a 1 once the piece is in the file. */
  placeOf(piece: number): RecordPlace {
    return { fd: this.#file.fd, position: headerBytes + piece };
  }

  /** For when every piece is there: a file without holes needs no record. */
  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function headerFor(packPath: string, infoHash: string): Promise<Buffer | undefined> {
  const found = await stat(packPath, { bigint: true });
  if (!found.isFile()) return undefined;
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.write(infoHash, magic.length, 20, 'hex');
  header.writeBigUInt64BE(BigInt.asUintN(64, found.ino), magic.length + 20);
  header.writeBigUInt64BE(BigInt.asUintN(64, found.birthtimeNs), magic.length + 28);
  return header;
}
