import type { Socket } from 'node:net';
import type { LaneLimits } from './lane-limits.ts';
import { Outlet, type OutletNews } from './lane-outlet.ts';
import type { PackFile } from './pack-file.ts';
import type { PieceBook } from './piece-book.ts';
import type { Uplink } from './uplink.ts';

export interface OutletsParts {
  infoHash: string;
  /** This member's own name. */
  member: string;
  book: PieceBook;
  file: PackFile;
  uplink: Uplink;
  limits: LaneLimits;
  /** The pack's file cannot be read. */
  onFileError: (error: Error) => void;
}

/** One pack's lanes to the members that called: what each was given or promised is told to the others, who need not ask for it. */
export class LaneOutlets {
  readonly #parts: OutletsParts;
  readonly #outlets = new Set<Outlet>();
  /** By piece: whether anyone was sent it by this member, and how many are about to be. */
  readonly #gave: Uint8Array;
  readonly #promises: Uint16Array;
  bytesSent = 0;

  constructor(parts: OutletsParts) {
    this.#parts = parts;
    this.#gave = new Uint8Array(parts.book.shape.pieceCount);
    this.#promises = new Uint16Array(parts.book.shape.pieceCount);
  }

  /** The names of those that called. */
  receivers(): string[] {
    return [...this.#outlets].map(({ receiver }) => receiver);
  }

  /** Takes over a socket whose hello asked for this pack. */
  accept(socket: Socket, head: Buffer, receiver: string): void {
    const { infoHash, member, book, file, uplink, limits, onFileError } = this.#parts;
    // Of two lanes from the same member the older is a dead one that was not noticed yet.
    for (const outlet of this.#outlets) if (outlet.receiver === receiver) outlet.close();
    const outlet = new Outlet({
      ...{ socket, head, receiver, infoHash, member, book, file, uplink, limits },
      gave: this.#gave,
      events: {
        onOpen: () => undefined,
        given: (piece) => (this.#promises[piece] ? 'promised' : this.#gave[piece] ? 'sent' : undefined),
        onPromise: (to, piece) => this.#onPromise(to, piece),
        onUnpromise: (piece, wasSent) => this.#onUnpromise(piece, wasSent),
        onDone: (to, piece) => this.#onDone(to, piece),
        onSent: (bytes) => {
          this.bytesSent += bytes;
        },
        onReadError: onFileError,
        onEnd: (ended) => this.#outlets.delete(ended),
      },
    });
    if (!socket.destroyed) this.#outlets.add(outlet);
  }

  tellHave(piece: number): void {
    for (const outlet of this.#outlets) outlet.tellHave(piece);
  }

  tick(now: number): void {
    for (const outlet of [...this.#outlets]) outlet.tick(now);
    this.#parts.uplink.pump();
  }

  close(): void {
    for (const outlet of this.#outlets) outlet.close();
  }

  #onPromise(to: Outlet, piece: number): void {
    this.#promises[piece]! += 1;
    this.#tellOthers(to, { type: 'sent', piece, isDone: false });
  }

  #onDone(to: Outlet, piece: number): void {
    this.#gave[piece] = 1;
    this.#tellOthers(to, { type: 'sent', piece, isDone: true });
  }

  #onUnpromise(piece: number, wasSent: boolean): void {
    this.#promises[piece]! -= 1;
    if (wasSent || this.#promises[piece]) return;
    this.#tellOthers(undefined, this.#gave[piece] ? { type: 'sent', piece, isDone: true } : { type: 'back', piece });
  }

  #tellOthers(to: Outlet | undefined, frame: OutletNews): void {
    for (const outlet of this.#outlets) if (outlet !== to) outlet.tell(frame);
  }
}
