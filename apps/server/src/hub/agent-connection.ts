import type { Clock } from '@starling/shared/clock.ts';
import { type AgentFrame, agentFrame, type HubFrame } from '@starling/shared/hub-protocol.ts';
import type { WebSocket } from 'ws';

/** What waits in memory for an agent that reads too slowly, before it is cut off. */
const maxBufferedBytes = 8 * 1024 * 1024;
const maxMisses = 2;
const helloTimeoutMs = 10_000;

export type Hello = Extract<AgentFrame, { type: 'hello' }>;
export type LaterFrame = Exclude<AgentFrame, Hello>;

export interface ConnectionEvents {
  /** Why this agent is not served, or undefined when it is. */
  onHello: (connection: AgentConnection, hello: Hello) => string | undefined;
  onFrame: (connection: AgentConnection, frame: LaterFrame) => void;
  /** Once, for a connection that said hello. */
  onClose: (connection: AgentConnection) => void;
}

/** One agent's socket: frames in, frames out, and the reasons for which it is cut off. */
export class AgentConnection {
  readonly #socket: WebSocket;
  readonly #events: ConnectionEvents;
  readonly #greeted = new AbortController();
  /** Heard from since the last `checkPulse`. */
  #isAlive = true;
  #misses = 0;
  #hello: Hello | undefined;

  constructor(socket: WebSocket, events: ConnectionEvents, clock: Clock) {
    this.#socket = socket;
    this.#events = events;
    socket.on('message', (data, isBinary) => this.#onMessage(data as Buffer, isBinary));
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    socket.on('error', () => socket.terminate());
    socket.once('close', () => {
      this.#greeted.abort();
      if (this.#hello) events.onClose(this);
    });
    void clock.sleep(helloTimeoutMs, this.#greeted.signal).then(() => {
      if (!this.#greeted.signal.aborted) this.refuse('no hello came in time');
    });
  }

  /** What the agent said of itself. Only for a connection that was handed to an event. */
  get hello(): Hello {
    if (!this.#hello) throw new Error('this agent has not said hello');
    return this.#hello;
  }

  send(frame: HubFrame): void {
    this.sendText(JSON.stringify(frame));
  }

  /** As `send`, for a frame that goes to many. */
  sendText(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > maxBufferedBytes) this.#socket.terminate();
    else this.#socket.send(text);
  }

  refuse(reason: string): void {
    this.send({ type: 'refused', reason });
    this.close(1008, reason);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, Buffer.from(reason).subarray(0, 120).toString());
  }

  /** Asks whether the agent is there. With `judge`, one that did not answer two times in a row is cut off instead. */
  checkPulse(judge: boolean): void {
    this.#misses = this.#isAlive ? 0 : this.#misses + (judge ? 1 : 0);
    if (this.#misses >= maxMisses) {
      this.#socket.terminate();
      return;
    }
    this.#isAlive = false;
    this.#socket.ping();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.#isAlive = true;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const frame = isBinary ? 'frames are text' : parseFrame(data);
    const refusal = typeof frame === 'string' ? frame : this.#take(frame);
    if (refusal !== undefined) this.refuse(refusal);
  }

  /** Why the frame ends the connection, or undefined when it was taken. */
  #take(frame: AgentFrame): string | undefined {
    if (frame.type !== 'hello') {
      if (!this.#hello) return 'the first frame must be hello';
      this.#events.onFrame(this, frame);
      return undefined;
    }
    if (this.#hello) return 'hello was said already';
    this.#hello = frame;
    this.#greeted.abort();
    const refusal = this.#events.onHello(this, frame);
    // Not served, so its end is nobody's business.
    if (refusal !== undefined) this.#hello = undefined;
    return refusal;
  }
}

/** The frame, or why it is none. */
function parseFrame(data: Buffer): AgentFrame | string {
  let value: unknown;
  try {
    value = JSON.parse(data.toString('utf8'));
  } catch {
    return 'a frame is not JSON';
  }
  const parsed = agentFrame.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return `a frame is not understood: ${issue?.path.join('.') || 'type'}: ${issue?.message}`;
}
