import type { Batch } from './batches.ts';
import type { Streams } from './jobs.ts';
import { type Failure, makeParts } from './make-parts.ts';
import { sha256 } from './scan-segment.ts';
import { borrow, giveBack } from './scratch.ts';

export interface AssembleJob {
  batch: Batch;
  /** Whether some of it may be there already, from an earlier try. */
  mayBeThere: boolean;
}

/** Makes a batch and writes it to the stream `target`. Bases are streams `base:<name>`, packs are streams `pack:<digest>`. */
export function assembleBatch(
  { batch, mayBeThere }: AssembleJob,
  streams: Streams,
): { failures: Failure[]; bytesWritten: number } {
  const target = streams('target');
  const isThere = ({ part, start }: Batch['outputs'][number]): boolean => {
    const wanted = batch.parts[part]!;
    if (wanted.kind === 'patch') return false;
    const bytes = borrow(wanted.length);
    const isRight = target.read(start, bytes) === bytes.length && sha256(bytes).toString('hex') === wanted.digest;
    giveBack(bytes);
    return isRight;
  };
  const outputs = mayBeThere ? batch.outputs.filter((output) => !isThere(output)) : batch.outputs;
  let bytesWritten = 0;
  const failures = makeParts(
    { ...batch, outputs },
    {
      base: (name, start, into) => streams(`base:${name}`).read(start, into),
      pack: (digest, offset, into) => streams(`pack:${digest}`).read(offset, into),
    },
    (start, bytes) => {
      if (target.write(start, bytes) !== bytes.length) throw new Error('a file of the new tree became shorter');
      bytesWritten += bytes.length;
    },
  );
  return { failures, bytesWritten };
}
