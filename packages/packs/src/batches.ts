import { chunksTouching } from './manifest.ts';
import type { Plan } from './plan.ts';

// A plan, cut into batches that know all they need: what one thread makes of the target in one go. Within a batch, what
// is made of what is a small graph: parts name parts that come before them, so their order is the order of decoding.

export type Part =
  /** A chunk that a base has. */
  | { kind: 'base'; base: string; start: number; length: number; digest: string }
  /** A chunk of a pack; as it is when `encodedLength` is `length`. */
  | { kind: 'full'; pack: string; offset: number; encodedLength: number; length: number; digest: string }
  /** What a patch makes of `referenceLength` bytes of other parts, laid end to end, from `referenceSkip` on. */
  | {
      kind: 'patch';
      pack: string;
      offset: number;
      patchLength: number;
      reference: number[];
      referenceSkip: number;
      referenceLength: number;
      length: number;
    }
  /** A chunk that another part contains. */
  | { kind: 'slice'; of: number; from: number; length: number; digest: string };

export interface Batch {
  parts: Part[];
  /** The target's chunks, ascending: which part it is, and where in the target's stream it goes. */
  outputs: { part: number; start: number }[];
  /** In bytes of the target. */
  length: number;
}

const batchBytes = 4 * 1024 * 1024;

/** The batches of a plan, in the order of the target; those of chunks for which `isDone` are left out. */
export function* batchesOf(plan: Plan, isDone?: (chunk: number) => boolean): Generator<Batch> {
  const target = plan.builds[0]!;
  let maker = new BatchMaker(plan);
  let lastPatch: number | undefined;
  for (const [chunk, { length }] of target.build.chunks.entries()) {
    const choice = target.choices[chunk]!;
    const patch = choice.kind === 'patch' ? choice.patch : undefined;
    // A patch is not cut in two, as both would have to make all of it.
    const isWithinPatch = patch !== undefined && patch === lastPatch;
    if (maker.batch.length > 0 && !isWithinPatch && (patch !== undefined || maker.batch.length + length > batchBytes)) {
      yield maker.batch;
      maker = new BatchMaker(plan);
    }
    lastPatch = patch;
    if (!isDone?.(chunk)) maker.output(chunk);
  }
  if (maker.batch.length > 0) yield maker.batch;
}

class BatchMaker {
  readonly batch: Batch = { parts: [], outputs: [], length: 0 };
  readonly #plan: Plan;
  readonly #known = new Map<string, number>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  output(chunk: number): void {
    const { starts, build } = this.#plan.builds[0]!;
    this.batch.outputs.push({ part: this.#chunk(0, chunk), start: starts[chunk]! });
    this.batch.length += build.chunks[chunk]!.length;
  }

  #chunk(index: number, chunk: number): number {
    const { build, choices, starts } = this.#plan.builds[index]!;
    const choice = choices[chunk]!;
    if (choice.kind === 'same') return this.#chunk(choice.build, choice.chunk);
    const { digest, length, pack, offset, encodedLength } = build.chunks[chunk]!;
    return this.#once(`chunk ${digest}`, () => {
      if (choice.kind === 'base') return { ...choice, length, digest };
      if (choice.kind === 'full')
        return { kind: 'full', pack: build.packs[pack]!.digest, offset, encodedLength, length, digest };
      const from = starts[chunk]! - starts[build.patches[choice.patch]!.firstChunk]!;
      return { kind: 'slice', of: this.#patch(index, choice.patch), from, length, digest };
    });
  }

  #patch(index: number, patch: number): number {
    const { build, ancestors, starts } = this.#plan.builds[index]!;
    const { pack, offset, length, firstChunk, chunkCount, ancestor, referenceStart, referenceLength } =
      build.patches[patch]!;
    return this.#once(`patch ${index} ${patch}`, () => {
      const older = ancestors[ancestor]!;
      const { starts: olderStarts } = this.#plan.builds[older]!;
      const [first, end] = chunksTouching(olderStarts, referenceStart, referenceLength);
      const reference = Array.from({ length: end - first }, (_, count) => this.#chunk(older, first + count));
      const last = firstChunk + chunkCount - 1;
      return {
        kind: 'patch',
        pack: build.packs[pack]!.digest,
        offset,
        patchLength: length,
        reference,
        referenceSkip: referenceStart - olderStarts[first]!,
        referenceLength,
        length: starts[last]! + build.chunks[last]!.length - starts[firstChunk]!,
      };
    });
  }

  #once(key: string, make: () => Part): number {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const part = make();
    this.batch.parts.push(part);
    this.#known.set(key, this.batch.parts.length - 1);
    return this.batch.parts.length - 1;
  }
}
