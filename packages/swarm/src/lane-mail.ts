import type { Socket } from 'node:net';
import { monotonicMs } from './monotonic.ts';

/**
 * What goes out on one lane. News wait a moment for others and go in one packet, because a packet of its own for each
 * costs both sides more than the news are worth; whatever else is sent takes them along, so the order stays.
 */
export class LaneMail {
  readonly #socket: Socket;
  #news: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  spokeAt = monotonicMs();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends a frame after `waitMs` at the latest, behind those that were added before. */
  add(frame: Buffer, waitMs: number): void {
    this.#news.push(frame);
    const dueAt = monotonicMs() + waitMs;
    if (dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#flush(), waitMs);
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
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#news.length === 0 || this.#socket.destroyed) return;
    this.#socket.write(Buffer.concat(this.#news));
    this.#news = [];
    this.spokeAt = monotonicMs();
  }
}
