import { StarlingError } from '@starling/shared/errors.ts';
import { type PackShape, pieceBytes } from './lane-frames.ts';
import type { PieceBuffer, PieceBuffers } from './piece-buffers.ts';

export interface FeedParts {
  shape: PackShape;
  buffers: PieceBuffers;
  /** Checks and writes a piece, and gives its memory back; false when it is not the pack's. */
  take: (piece: number, bytes: PieceBuffer) => Promise<boolean>;
}

/** Threads check two at a time; more would only keep memory from the lanes. */
const checksAtOnce = 4;

/**
 * Cuts the bytes of a pack from `start` on, in bytes, into pieces. Resolves when all that came whole is checked and written.
 * Rejects with INVALID_INPUT when `start` is not where a piece begins or a piece is not the pack's, with what `bytes` throws,
 * and with what the disk says; the pieces before stay.
 */
export async function feedPieces(
  { shape, buffers, take }: FeedParts,
  start: number,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  let piece = start / shape.pieceLength;
  if (!Number.isInteger(piece))
    throw new StarlingError('INVALID_INPUT', `no piece begins at ${start}`, { field: 'start' });
  const checks = new Set<Promise<void>>();
  let filling: { memory: PieceBuffer; filled: number } | undefined;
  let failure: { thrown: unknown } | undefined;
  const check = async (index: number, memory: PieceBuffer) => {
    if (await take(index, memory)) return;
    const from = index * shape.pieceLength;
    const end = from + pieceBytes(index, shape);
    throw new StarlingError('INVALID_INPUT', `the bytes ${from} to ${end} are not those of the pack`);
  };
  try {
    for await (const some of bytes) {
      for (let rest = some; rest.length > 0 && piece < shape.pieceCount; ) {
        signal.throwIfAborted();
        if (failure) throw failure.thrown;
        filling ??= { memory: await roomFor(pieceBytes(piece, shape), buffers, signal), filled: 0 };
        const { memory, filled } = filling;
        const length = Math.min(memory.length - filled, rest.length);
        memory.set(rest.subarray(0, length), filled);
        rest = rest.subarray(length);
        filling.filled += length;
        if (filling.filled < memory.length) continue;
        filling = undefined;
        const checking = check(piece, memory)
          .catch((thrown) => {
            failure ??= { thrown };
          })
          .finally(() => checks.delete(checking));
        checks.add(checking);
        piece += 1;
        if (checks.size >= checksAtOnce) await Promise.race(checks);
      }
    }
  } finally {
    if (filling) buffers.give(filling.memory);
    await Promise.all(checks);
  }
  if (failure) throw failure.thrown;
}

async function roomFor(length: number, buffers: PieceBuffers, signal: AbortSignal): Promise<PieceBuffer> {
  for (;;) {
    signal.throwIfAborted();
    const memory = buffers.take(length);
    if (memory) return memory;
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        buffers.forget(wake);
        resolve();
      };
      buffers.wait(wake);
      signal.addEventListener('abort', wake);
    });
  }
}
