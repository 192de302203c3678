import type { Socket } from 'node:net';
import { monotonicMs } from './monotonic.ts';

/**
 * What goes out on one lane. News wait a moment for others and go in one packet, because a packet of its own for each
 * costs both sides more than the news are worth; whatever else is sent takes them along, so the order stays.
 */
export class LaneMail {
  readonly #socket: Socket;
  readonly #waitMs: number;
  #news: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  spokeAt = monotonicMs();

  constructor(socket: Socket, waitMs: number) {
    this.#socket = socket;
    this.#waitMs = waitMs;
  }

  /** Sends a frame soon. */
  add(frame: Buffer): void {
    this.#news.push(frame);
    this.#timer ??= setTimeout(() => this.#flush(), this.#waitMs);
  }

  /** Sends a frame now; `done` is called when the system has taken `body`, or the socket is closed. */
  send(frame: Buffer, body?: Buffer, done?: () => void): void {
    const socket = this.#socket;
    if (socket.destroyed) {
      done?.();
      return;
    }
    socket.cork();
    this.#flush();
    socket.write(frame);
    if (body) socket.write(body, () => done?.());
    socket.uncork();
    this.spokeAt = monotonicMs();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#news.length = 0;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#news.length === 0 || this.#socket.destroyed) return;
    this.#socket.write(Buffer.concat(this.#news));
    this.#news = [];
    this.spokeAt = monotonicMs();
  }
}
