import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { type AgentFrame, type HubFrame, hubFrame, maxFrameBytes } from '@starling/shared/hub-protocol.ts';
import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import type { HubAccess } from './hub-access.ts';

export interface HubConnectionOptions {
  /** `http://host:port` of the hub. */
  hubUrl: string;
  access: Pick<HubAccess, 'session' | 'forget'>;
  clock: Clock;
  log: Logger;
  /** The first frame of every connection. */
  hello: () => AgentFrame;
  /** The hub answered hello and sent every key. */
  onWelcome: () => void;
  onFrame: (frame: HubFrame) => void;
}

const firstPauseMs = 250;
const maxPauseMs = 10_000;
/** Between two tries of a machine that is shut out: only a person can mend that. */
const shutOutPauseMs = 60_000;
const handshakeTimeoutMs = 10_000;
const pingEveryMs = 10_000;
/** Nothing heard for this long, though pings were sent: the hub is gone, whatever TCP believes. */
const silenceMs = 25_000;
/** What a slow connection may hold back before progress and announcements are dropped. */
const maxBufferedBytes = 1024 * 1024;

/** The one connection to the hub, made again for as long as the agent runs. */
export class HubConnection {
  readonly #options: HubConnectionOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #socket: WebSocket | undefined;
  #welcomed = false;

  constructor(options: HubConnectionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  get isConnected(): boolean {
    return this.#welcomed;
  }

  /** Sends a frame; false when there is no connection, or it is too slow to take more now. */
  send(frame: AgentFrame): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || !this.#welcomed) return false;
    if (socket.bufferedAmount > maxBufferedBytes && frame.type !== 'reports') return false;
    socket.send(JSON.stringify(frame));
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#socket?.terminate();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { access, clock, log } = this.#options;
    const { signal } = this.#stopping;
    let pauseMs = firstPauseMs;
    while (!signal.aborted) {
      const session = await access.session(signal).catch((thrown: unknown) => ({ thrown }));
      if (signal.aborted) return;
      if (typeof session === 'object' && isShutOut(session.thrown)) {
        const { message: why, fix } = session.thrown;
        log.error({ why, fix, againInMs: shutOutPauseMs }, 'shut out by the hub; what runs here goes on running');
        await clock.sleep(shutOutPauseMs * (0.5 + Math.random()), signal);
        continue;
      }
      const { welcomed, why } =
        typeof session === 'string'
          ? await this.#connectOnce(session)
          : { welcomed: false, why: messageOf(session.thrown) };
      if (signal.aborted) return;
      if (welcomed) pauseMs = firstPauseMs;
      log.warn({ why, againInMs: pauseMs }, 'not connected to the hub');
      // Spread, so that the machines of a region do not come back to a restarted hub all at once.
      await clock.sleep(pauseMs * (0.5 + Math.random()), signal);
      pauseMs = Math.min(maxPauseMs, pauseMs * 2);
    }
  }

  /** One connection from its beginning to its end. */
  #connectOnce(session: string): Promise<{ welcomed: boolean; why: string }> {
    const { access, clock, hubUrl, log } = this.#options;
    return new Promise((resolve) => {
      const ended = new AbortController();
      let welcomed = false;
      let why = 'the connection was closed';
      let heardAt = clock.now();
      const socket = new WebSocket(`${hubUrl.replace(/^http/, 'ws')}/agent`, {
        headers: { authorization: `Bearer ${session}` },
        maxPayload: maxFrameBytes,
        handshakeTimeout: handshakeTimeoutMs,
        perMessageDeflate: false,
      });
      this.#socket = socket;
      const heard = () => {
        heardAt = clock.now();
      };
      socket.on('open', () => {
        heard();
        socket.send(JSON.stringify(this.#options.hello()));
        void keepAlive();
      });
      socket.on('pong', heard);
      socket.on('ping', heard);
      socket.on('error', (error) => {
        why = messageOf(error);
        // Only the words of ws say which status it was.
        if (why.endsWith('response: 401')) access.forget(session);
      });
      socket.on('close', () => {
        ended.abort();
        this.#welcomed = false;
        if (this.#socket === socket) this.#socket = undefined;
        resolve({ welcomed, why });
      });
      socket.on('message', (data) => {
        heard();
        const frame = parseFrame(String(data));
        if (!frame) {
          log.warn('a frame from the hub was not understood');
        } else if (frame.type === 'refused') {
          why = `the hub refused: ${frame.reason}`;
          socket.terminate();
        } else {
          if (frame.type === 'welcome') {
            log.info({ hub: frame.hub }, 'connected to the hub');
            welcomed = true;
            this.#welcomed = true;
            this.#options.onWelcome();
          }
          this.#options.onFrame(frame);
        }
      });

      async function keepAlive(): Promise<void> {
        while (!ended.signal.aborted) {
          await clock.sleep(pingEveryMs, ended.signal);
          if (ended.signal.aborted) return;
          if (clock.now() - heardAt > silenceMs) {
            why = `nothing was heard from it for ${silenceMs / 1_000} s`;
            socket.terminate();
          } else if (socket.readyState === WebSocket.OPEN) {
            socket.ping();
          }
        }
      }
    });
  }
}

const isShutOut = (thrown: unknown): thrown is StarlingError =>
  thrown instanceof StarlingError && thrown.code === 'FORBIDDEN';

function parseFrame(text: string): HubFrame | undefined {
  try {
    const parsed = hubFrame.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
