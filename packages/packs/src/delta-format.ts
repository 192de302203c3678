import { ByteReader, ByteWriter, Malformed } from './varint.ts';
import { compress, decompress } from './zstd.ts';

// A patch makes a target from a reference: literal bytes, and copies with differences. Each step is a literal run, then
// a copied run and where it comes from, as the change of (place in the reference - place in the target). Within a copied
// run, what differs are fields of four bytes, little endian: the gap since the last field, and what is added to the
// reference there (modulo 2^32). A gap that reaches beyond the run's last four bytes ends its fields; the last up to
// three bytes of a run differ by single bytes of literals and so are never copied unless they are equal.
//
// Four streams, each compressed on its own, as each repeats itself in its own way.

export interface DeltaStreams {
  /** Three numbers a step: literal length, copied length, change of offset (zigzag). */
  steps: Uint8Array;
  gaps: Uint8Array;
  /** Four bytes a field. */
  additions: Uint8Array;
  literals: Uint8Array;
}

/** Of the target, in bytes; `offset` is its place in the reference less `start`. */
export interface Copy {
  start: number;
  length: number;
  offset: number;
}

export const maxTargetBytes = 8 * 1024 * 1024;
export const maxReferenceBytes = 32 * 1024 * 1024;

const streamNames = ['steps', 'gaps', 'additions', 'literals'] as const;

/** A stream is stored as it is where zstd does not make it shorter: its two lengths are equal then. */
export function packStreams(streams: DeltaStreams, level: number): Buffer<ArrayBuffer> {
  const writer = new ByteWriter(64 + streams.literals.length);
  for (const name of streamNames) {
    const plain = streams[name];
    const short = plain.length < 16 ? plain : compress(plain, level);
    const stored = short.length < plain.length ? short : plain;
    writer.number(plain.length);
    writer.counted(stored);
  }
  return writer.bytes();
}

export function unpackStreams(patch: Uint8Array, targetBytes: number): DeltaStreams {
  const reader = new ByteReader(patch);
  // What a step or a gap takes is never more than what it stands for, but for the last ones.
  const most = { steps: targetBytes + 64, gaps: targetBytes + 64, additions: targetBytes, literals: targetBytes };
  const read = (name: (typeof streamNames)[number]): Uint8Array => {
    const plainLength = reader.number(most[name], `the length of its ${name}`);
    const stored = reader.counted(plainLength, `its ${name}`);
    return stored.length === plainLength ? stored : decompress(stored, plainLength);
  };
  const streams = {
    steps: read('steps'),
    gaps: read('gaps'),
    additions: read('additions'),
    literals: read('literals'),
  };
  reader.end();
  return streams;
}

/**
 * Fills `target`, whose length has to be known, with what a patch makes of its reference. Throws Malformed for whatever is no patch for that
 * reference and length; whether the bytes are the right ones is for the caller to check, chunk by chunk.
 */
export function applyDelta<Bytes extends Uint8Array>(patch: Uint8Array, reference: Uint8Array, target: Bytes): Bytes {
  const targetBytes = target.length;
  if (targetBytes > maxTargetBytes)
    throw new Malformed(`a patch for ${targetBytes} bytes, and ${maxTargetBytes} is the most`);
  const { steps, gaps, additions, literals } = unpackStreams(patch, targetBytes);
  const [stepReader, gapReader] = [new ByteReader(steps), new ByteReader(gaps)];
  let [at, literalAt, additionAt, offset] = [0, 0, 0, 0];
  while (stepReader.left > 0) {
    const literalLength = stepReader.number(targetBytes - at, 'a literal run');
    if (literalAt + literalLength > literals.length) throw new Malformed('its literals end too early');
    target.set(literals.subarray(literalAt, literalAt + literalLength), at);
    at += literalLength;
    literalAt += literalLength;
    const copyLength = stepReader.number(targetBytes - at, 'a copied run');
    offset += stepReader.signed(maxReferenceBytes * 2, 'an offset');
    if (copyLength === 0) continue;
    if (at + offset < 0 || at + offset + copyLength > reference.length)
      throw new Malformed('it copies from outside of its reference');
    target.set(reference.subarray(at + offset, at + offset + copyLength), at);
    const end = at + copyLength;
    for (let field = at; ; ) {
      field += gapReader.number(targetBytes, 'a gap');
      if (field + 4 > end) break;
      if (additionAt + 4 > additions.length) throw new Malformed('its additions end too early');
      addField(target, field, additions, additionAt);
      additionAt += 4;
      field += 4;
    }
    at = end;
  }
  gapReader.end();
  if (at !== targetBytes || literalAt !== literals.length || additionAt !== additions.length)
    throw new Malformed('it makes another number of bytes');
  return target;
}

function addField(target: Uint8Array, at: number, additions: Uint8Array, from: number): void {
  const sum = fieldAt(target, at) + fieldAt(additions, from);
  target[at] = sum;
  target[at + 1] = sum >>> 8;
  target[at + 2] = sum >>> 16;
  target[at + 3] = sum >>> 24;
}

export function fieldAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
