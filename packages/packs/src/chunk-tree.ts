import { CutChooser } from './cuts.ts';
import type { StreamFile } from './file-stream.ts';
import { Landmarks } from './landmarks.ts';
import { ThreadPool } from './thread-pool.ts';

export interface Chunk {
  /** SHA-256 of its bytes, 64 lower-case hexadecimal digits. */
  digest: string;
  /** In bytes of the stream. */
  length: number;
}

export interface ChunkedTree {
  sizeBytes: number;
  /** They tile the stream. The same bytes give the same chunks, however many threads there are. */
  chunks: Chunk[];
  landmarks: Landmarks;
}

export interface ChunkOptions {
  threads?: number;
  signal?: AbortSignal;
  /** Bytes of a segment: what one thread holds at a time. */
  segmentBytes?: number;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

const defaultSegmentBytes = 8 * 1024 * 1024;

/** Cuts a tree into chunks, reading each byte once (twice for about one chunk a segment). Throws what reading throws. */
export async function chunkTree(files: readonly StreamFile[], options: ChunkOptions = {}): Promise<ChunkedTree> {
  const pool = new ThreadPool({ streams: { tree: files }, ...threadsOf(options) });
  try {
    return await scanStream(pool, 'tree', sizeOf(files), options);
  } finally {
    await pool.close();
  }
}

/** As `chunkTree`, with threads that are there and the stream of that name. */
export async function scanStream(
  pool: ThreadPool,
  stream: string,
  sizeBytes: number,
  options: Omit<ChunkOptions, 'threads'>,
): Promise<ChunkedTree> {
  const { landmarks, bits, guessed } = await scan(pool, stream, sizeBytes, options, true);
  const chunks = cut(sizeBytes, new CutChooser(landmarks.positions, bits.all()), guessed);
  await hashTheRest(pool, stream, chunks, options.signal);
  return { sizeBytes, chunks, landmarks };
}

/** Only the landmarks of a tree whose chunks are known: a fraction of the work. */
export async function scanLandmarks(
  pool: ThreadPool,
  stream: string,
  sizeBytes: number,
  options: Omit<ChunkOptions, 'threads'>,
): Promise<Landmarks> {
  return (await scan(pool, stream, sizeBytes, options, false)).landmarks;
}

async function scan(
  pool: ThreadPool,
  stream: string,
  sizeBytes: number,
  { segmentBytes = defaultSegmentBytes, signal, onProgress }: ChunkOptions,
  withDigests: boolean,
): Promise<{ landmarks: Landmarks; bits: Bits; guessed: Map<number, Chunk> }> {
  const landmarks = new Landmarks(sizeBytes);
  const bits = new Bits();
  const guessed = new Map<number, Chunk>();
  const segments = function* () {
    for (let start = 0; start < sizeBytes; start += segmentBytes) yield start;
  };
  await pool.each(
    'scan',
    segments(),
    (start) => ({ stream, start, end: Math.min(sizeBytes, start + segmentBytes), withDigests }),
    (segment, start) => {
      landmarks.add(start, segment);
      bits.add(segment.bits);
      const digests = Buffer.from(segment.digests.buffer);
      let at = start;
      for (const [index, length] of segment.lengths.entries()) {
        guessed.set(at, { digest: digests.toString('hex', index * 32, index * 32 + 32), length });
        at += length;
      }
      onProgress?.(Math.min(sizeBytes, start + segmentBytes), sizeBytes);
    },
    signal,
  );
  landmarks.seal();
  return { landmarks, bits, guessed };
}

/** The true chunks, from the first byte on. Where a segment guessed one, its digest is there already. */
function cut(sizeBytes: number, chooser: CutChooser, guessed: ReadonlyMap<number, Chunk>): Chunk[] {
  const chunks: Chunk[] = [];
  for (let start = 0; start < sizeBytes; ) {
    const end = chooser.next(start, sizeBytes);
    const guess = guessed.get(start);
    chunks.push(guess?.length === end - start ? guess : { digest: '', length: end - start });
    start = end;
  }
  return chunks;
}

async function hashTheRest(
  pool: ThreadPool,
  stream: string,
  chunks: Chunk[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const missing: { chunk: Chunk; start: number }[] = [];
  let start = 0;
  for (const chunk of chunks) {
    if (chunk.digest === '') missing.push({ chunk, start });
    start += chunk.length;
  }
  await pool.each(
    'hash',
    missing,
    ({ chunk, start: at }) => ({ stream, ranges: [[at, chunk.length]] }),
    ({ digests }, { chunk }) => {
      chunk.digest = Buffer.from(digests).toString('hex');
    },
    signal,
  );
}

class Bits {
  readonly #parts: Uint8Array[] = [];

  add(part: Uint8Array): void {
    this.#parts.push(part);
  }

  all(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

export function sizeOf(files: readonly StreamFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function threadsOf({ threads }: ChunkOptions): { threads?: number } {
  return threads === undefined ? {} : { threads };
}
