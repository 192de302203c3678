import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader } from './frame-reader.ts';
import {
  bitfieldBytes,
  type DataFrame,
  decodeFrame,
  decodeHello,
  encodeFrame,
  encodeHello,
  headerBytes,
  helloBytes,
  LaneDefect,
  type LaneFrame,
  laneAnswers,
  maxDataBytes,
  type PackShape,
  packBits,
  pieceBytes,
  unpackBits,
} from './lane-frames.ts';

const shape: PackShape = { sizeBytes: 2_500, pieceLength: 1_000, pieceCount: 3 };
const piece = fc.integer({ min: 0, max: shape.pieceCount - 1 });
const data = fc
  .record({
    type: fc.constant('data' as const),
    piece,
    length: fc.integer({ min: 1, max: 500 }),
    isFirst: fc.boolean(),
  })
  .map((frame): DataFrame => frame);
const fromSender: fc.Arbitrary<LaneFrame> = fc.oneof(
  fc.record({ type: fc.constantFrom('have' as const, 'back' as const, 'later' as const), piece }),
  fc.record({ type: fc.constant('sent' as const), piece, isDone: fc.boolean() }),
  fc.record({ type: fc.constantFrom('has' as const, 'gave' as const), length: fc.constant(bitfieldBytes(shape)) }),
  fc.constant({ type: 'ping' as const }),
  data,
);
const fromReceiver: fc.Arbitrary<LaneFrame> = fc.oneof(
  fc.record({ type: fc.constantFrom('have' as const, 'cancel' as const), piece }),
  fc.record({ type: fc.constant('ask' as const), piece, isKnowing: fc.boolean() }),
  fc.record({ type: fc.constant('has' as const), length: fc.constant(bitfieldBytes(shape)) }),
);

describe('frames', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fromSender, (frame) => {
        expect(decodeFrame(encodeFrame(frame), 'sender', shape)).toEqual(frame);
      }),
    );
    fc.assert(
      fc.property(fromReceiver, (frame) => {
        expect(decodeFrame(encodeFrame(frame), 'receiver', shape)).toEqual(frame);
      }),
    );
  });

  it('are either within what the pack allows or refused, whatever their bytes say', () => {
    const bytes = fc.uint8Array({ minLength: headerBytes, maxLength: headerBytes });
    const nearlyRight = fc
      .tuple(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
      .map(([type, number, length]) => {
        const header = Buffer.alloc(headerBytes);
        header[0] = type;
        header.writeUInt32BE(number, 4);
        header.writeUInt32BE(length, 8);
        return header;
      });
    fc.assert(
      fc.property(
        fc.oneof(bytes, nearlyRight),
        fc.constantFrom('sender' as const, 'receiver' as const),
        (header, side) => {
          let frame: LaneFrame;
          try {
            frame = decodeFrame(header, side, shape);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(LaneDefect);
            return;
          }
          if ('piece' in frame) expect(frame.piece).toBeLessThan(shape.pieceCount);
          if (frame.type === 'data') expect(frame.length).toBeLessThanOrEqual(pieceBytes(frame.piece, shape));
          else if ('length' in frame) expect(frame.length).toBe(bitfieldBytes(shape));
          if (side === 'receiver') expect(frame.type).not.toBe('data');
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('of a huge pack are still short', () => {
    const huge = { sizeBytes: 2 ** 40, pieceLength: 2 ** 25, pieceCount: 2 ** 15 };
    const header = encodeFrame({ type: 'data', piece: 0, length: maxDataBytes + 1, isFirst: true });
    expect(() => decodeFrame(header, 'sender', huge)).toThrow(LaneDefect);
  });
});

describe('hellos', () => {
  const hex = (bytes: number) =>
    fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((some) => Buffer.from(some).toString('hex'));
  it('are read as they were written, and nothing else is', () => {
    const hello = fc.record({
      answer: fc.constantFrom(...laneAnswers),
      infoHash: hex(20),
      member: hex(16),
      pieceCount: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    });
    fc.assert(
      fc.property(hello, (said) => {
        expect(decodeHello(encodeHello(said))).toEqual(said);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 80 }), (bytes) => {
        expect(() => decodeHello(bytes)).toThrow(LaneDefect);
      }),
    );
  });

  it('of another version are known as such', () => {
    const bytes = encodeHello({ answer: 'welcome', infoHash: 'ab'.repeat(20), member: 'cd'.repeat(16), pieceCount: 1 });
    bytes[8] = 9;
    expect(bytes).toHaveLength(helloBytes);
    expect(decodeHello(bytes).answer).toBe('otherVersion');
  });
});

describe('bits', () => {
  it('come back from their packed form', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1), { maxLength: 70 }), (flags) => {
        const bytes = Uint8Array.from(flags);
        expect(unpackBits(packBits(bytes), flags.length)).toEqual(bytes);
      }),
    );
  });
});

describe('FrameReader', () => {
  /** Feeds `stream` in the given cuts; `roomAfter` refusals of room before there is some. */
  function read(stream: Buffer, cuts: readonly number[], wants: boolean, refusals: number) {
    const seen: string[] = [];
    const places: { piece: number; bytes: Uint8Array }[] = [];
    let left = refusals;
    const reader = new FrameReader('sender', shape, {
      onFrame: (frame, body) => void seen.push(`${JSON.stringify(frame)} ${Buffer.from(body).toString('hex')}`),
      placeFor: ({ piece: at, length }) => {
        if (!wants) return undefined;
        if (left-- > 0) return 'later';
        places.push({ piece: at, bytes: new Uint8Array(length) });
        return places.at(-1)?.bytes;
      },
      onData: (frame) =>
        void seen.push(`${JSON.stringify(frame)} ${Buffer.from(places.at(-1)?.bytes ?? []).toString('hex')}`),
    });
    let turn = 0;
    for (let at = 0; at < stream.length; ) {
      const target = reader.target();
      if (!target) {
        reader.retry();
        continue;
      }
      expect(target.length).toBeGreaterThan(0);
      const length = Math.min(target.length, stream.length - at, cuts[turn++ % cuts.length] ?? 1);
      target.set(stream.subarray(at, at + length));
      at += length;
      reader.advance(length);
    }
    return seen;
  }

  it('finds the same frames however the bytes are cut and however often there is no room', () => {
    const said = fc.array(
      fromSender.chain((frame) =>
        fc
          .uint8Array({
            minLength: 'length' in frame ? frame.length : 0,
            maxLength: 'length' in frame ? frame.length : 0,
          })
          .map((body) => ({ frame, body: Buffer.from(body) })),
      ),
      { maxLength: 12 },
    );
    const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(said, cuts, fc.integer({ min: 0, max: 5 }), fc.boolean(), (frames, lengths, refusals, wants) => {
        const stream = Buffer.concat(frames.flatMap(({ frame, body }) => [encodeFrame(frame), body]));
        const expected = frames
          .filter(({ frame }) => wants || frame.type !== 'data')
          .map(({ frame, body }) => `${JSON.stringify(frame)} ${body.toString('hex')}`);
        // Frames whose bytes are unwanted are passed over, and nothing after them is lost.
        expect(read(stream, lengths, wants, refusals)).toEqual(
          wants ? expected : read(stream, [100_000], wants, 0).filter((line) => expected.includes(line)),
        );
        if (!wants)
          expect(read(stream, lengths, wants, 0).filter((line) => !line.includes('"data"'))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});
