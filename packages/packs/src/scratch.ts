// Large buffers that are needed for a moment only, kept within the thread: fresh ones would pile up until they are
// collected, which is late, as they lie outside of the heap.

const free: Buffer<ArrayBuffer>[] = [];
const mostFree = 8;

/** A buffer of that length with anything in it. To be given back when nothing refers to it any more. */
export function borrow(length: number): Buffer<ArrayBuffer> {
  const index = free.findIndex((buffer) => buffer.buffer.byteLength >= length);
  const [found] = index < 0 ? [] : free.splice(index, 1);
  return found ? Buffer.from(found.buffer, 0, length) : Buffer.allocUnsafeSlow(length);
}

export function giveBack(buffer: Buffer<ArrayBuffer>): void {
  // Small ones may be a part of Node's pool, of which the rest belongs to others.
  if (buffer.buffer.byteLength <= Buffer.poolSize) return;
  free.push(buffer);
  free.sort((a, b) => a.buffer.byteLength - b.buffer.byteLength);
  // Of too many, the smallest go: they are the cheapest to make again.
  if (free.length > mostFree) free.shift();
}
