import {
  type DataFrame,
  decodeFrame,
  headerBytes,
  type LaneFrame,
  type LaneSide,
  type PackShape,
} from './lane-frames.ts';

export interface FrameSink {
  onFrame(frame: Exclude<LaneFrame, DataFrame>, body: Uint8Array): void;
  /** Where these bytes of a piece go: as long as the frame says; `later` when there is no room, undefined when unwanted. */
  placeFor(frame: DataFrame): Uint8Array | 'later' | undefined;
  /** The place that was given is full. */
  onData(frame: DataFrame): void;
}

const scrapBytes = 64 * 1024;
const nothing = new Uint8Array(0);

/**
 * Cuts what arrives into frames, without holding any of it: it says where the next bytes belong, so that a socket can
 * read the bytes of a piece straight into their place. `target` is where, `advance` is told how many came.
 */
export class FrameReader {
  readonly #side: LaneSide;
  readonly #shape: PackShape;
  readonly #sink: FrameSink;
  readonly #header = new Uint8Array(headerBytes);
  #target: Uint8Array | undefined = this.#header;
  #filled = 0;
  #frame: LaneFrame | undefined;
  /** Bytes of an unwanted frame that are still to come. */
  #unwanted = 0;

  /** `side` is who speaks. */
  constructor(side: LaneSide, shape: PackShape, sink: FrameSink) {
    this.#side = side;
    this.#shape = shape;
    this.#sink = sink;
  }

  /** Where the next bytes go; never empty; undefined while there is no room for them. */
  target(): Uint8Array | undefined {
    return this.#target?.subarray(this.#filled);
  }

  /** So many bytes were put into `target`. Throws LaneDefect when they are not to be understood. */
  advance(bytes: number): void {
    this.#filled += bytes;
    if (!this.#target || this.#filled < this.#target.length) return;
    const { type } = this.#frame ?? {};
    if (this.#unwanted > 0) this.#skip();
    else if (!this.#frame) this.#begin(decodeFrame(this.#header, this.#side, this.#shape));
    else if (type === 'data') this.#ended(() => this.#sink.onData(this.#frame as DataFrame));
    else this.#ended(() => this.#sink.onFrame(this.#frame as Exclude<LaneFrame, DataFrame>, this.#target ?? nothing));
  }

  /** Asks again for the room that was missing; true when there is some now, or none was missing. */
  retry(): boolean {
    if (!this.#target && this.#frame?.type === 'data') this.#place(this.#frame);
    return this.#target !== undefined;
  }

  #begin(frame: LaneFrame): void {
    this.#frame = frame;
    this.#filled = 0;
    if (frame.type === 'data') this.#place(frame);
    else if ('length' in frame) this.#target = new Uint8Array(frame.length);
    else this.#ended(() => this.#sink.onFrame(frame, nothing));
  }

  #place(frame: DataFrame): void {
    const place = this.#sink.placeFor(frame);
    this.#filled = 0;
    if (place === 'later') {
      this.#target = undefined;
    } else if (place) {
      this.#target = place;
    } else {
      this.#unwanted = frame.length;
      this.#target = new Uint8Array(Math.min(scrapBytes, frame.length));
    }
  }

  #skip(): void {
    this.#unwanted -= this.#filled;
    this.#filled = 0;
    if (this.#unwanted > 0) this.#target = this.#target?.subarray(0, Math.min(scrapBytes, this.#unwanted));
    else this.#ended(() => undefined);
  }

  #ended(tell: () => void): void {
    tell();
    this.#frame = undefined;
    this.#filled = 0;
    this.#target = this.#header;
  }
}
