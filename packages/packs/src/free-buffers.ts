import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Buffers lie outside of the heap that V8 watches. Threads whose heap hardly grows let them pile up: packing and putting
// together took some 200 MB more than they need. So they are collected by how much of them there is.

const mostPiledUpBytes = 12 * 1024 * 1024;

let collect: (() => void) | undefined;
let keptBytes = 0;

/** Frees the buffers that nothing refers to, once 12 MiB more are there than the last time. Takes some milliseconds then. */
export function freeBuffers(): void {
  const { arrayBuffers } = process.memoryUsage();
  // What was collected may be given back a moment later.
  keptBytes = Math.min(keptBytes, arrayBuffers);
  if (arrayBuffers - keptBytes < mostPiledUpBytes) return;
  freeAll();
  keptBytes = process.memoryUsage().arrayBuffers;
}

/** Frees all that nothing refers to: after work that leaves much behind, where long work follows that takes memory too. */
export function freeAll(): void {
  collect ??= collector();
  collect();
}

/** V8 gives its collector to contexts that are made while the flag is set. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
