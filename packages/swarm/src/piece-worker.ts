import { readSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { MemoryLoan, PieceAnswer, PieceOrder } from './piece-checker.ts';
import { isPiece } from './piece-digest.ts';
import type { RecordPlace } from './piece-record.ts';

// The thread that does for `piece-checker.ts` what would hold up the event loop: hashing, and writing what is right.

let own = Buffer.alloc(0);
const one = Uint8Array.of(1);

const lent = new Map<number, Uint8Array<SharedArrayBuffer>>();

parentPort?.on('message', (said: PieceOrder | MemoryLoan) => {
  if ('forgetAll' in said) lent.clear();
  else if ('name' in said) lent.set(said.name, new Uint8Array(said.memory));
  else parentPort?.postMessage(answer(said));
});

function answer(order: PieceOrder): PieceAnswer {
  const { id, memory } = order;
  try {
    return { id, isRight: memory === undefined ? look(order) : write(order, lent.get(memory)) };
  } catch (thrown) {
    const { message, code } = thrown as NodeJS.ErrnoException;
    return { id, error: { message, code } };
  }
}

function write({ fd, position, length, digest, record }: PieceOrder, memory: Uint8Array | undefined): boolean {
  const bytes = memory?.subarray(0, length) ?? new Uint8Array(0);
  if (!isPiece(bytes, digest)) return false;
  for (let done = 0; done < length; ) done += writeSync(fd, bytes, done, length - done, position + done);
  if (record) note(record);
  return true;
}

function note({ fd, position }: RecordPlace): void {
  try {
    writeSync(fd, one, 0, 1, position);
  } catch {
    // The piece is written; that it is not noted costs only that it may be fetched again after a restart.
  }
}

function look({ fd, position, length, digest }: PieceOrder): boolean {
  if (own.length < length) own = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const read = readSync(fd, own, done, length - done, position + done);
    if (read === 0) return false;
    done += read;
  }
  return isPiece(own.subarray(0, length), digest);
}
