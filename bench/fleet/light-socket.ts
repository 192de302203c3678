import { connect, type Socket } from 'node:net';

// The client's side of a WebSocket (RFC 6455) with as little memory as can be, so that one process can be thousands of
// agents: text frames that fit one frame, pings answered, no extensions.

const upgrade = (host: string, session: string) =>
  [
    'GET /agent HTTP/1.1',
    `host: ${host}`,
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
    `authorization: Bearer ${session}`,
    '\r\n',
  ].join('\r\n');

export class LightSocket {
  readonly #socket: Socket;
  readonly #onText: (text: Buffer) => void;
  #rest: Buffer | undefined;
  #isOpen = false;

  constructor(
    url: URL,
    session: string,
    /** This end's address: the ports of one address do not suffice for all agents of a hub. */
    localAddress: string | undefined,
    events: { onOpen: () => void; onText: (text: Buffer) => void; onClose: (why: string) => void },
  ) {
    this.#onText = events.onText;
    let why = 'closed';
    this.#socket = connect({
      ...{ host: url.hostname, port: Number(url.port), noDelay: true },
      ...(localAddress !== undefined && { localAddress }),
    });
    this.#socket.once('connect', () => this.#socket.write(upgrade(url.host, session)));
    this.#socket.on('data', (bytes) => {
      let data = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes;
      this.#rest = undefined;
      if (!this.#isOpen) {
        const end = data.indexOf('\r\n\r\n');
        if (end < 0) {
          this.#rest = data;
          return;
        }
        if (!data.subarray(0, 12).equals(switching)) {
          why = data.subarray(0, 40).toString('latin1');
          this.#socket.destroy();
          return;
        }
        this.#isOpen = true;
        data = data.subarray(end + 4);
        events.onOpen();
      }
      this.#take(data);
    });
    this.#socket.once('error', (error) => {
      why = error.message;
    });
    this.#socket.once('close', () => events.onClose(why));
  }

  send(text: string): void {
    this.#write(1, Buffer.from(text));
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(opcode: number, payload: Buffer): void {
    const { length } = payload;
    const head = length < 126 ? Buffer.alloc(6) : Buffer.alloc(8);
    head[0] = 0x80 | opcode;
    // The mask is all zero, so that the payload stays as it is.
    if (length < 126) head[1] = 0x80 | length;
    else {
      if (length > 65_535) throw new Error('a frame of a simulated agent is small');
      head[1] = 0x80 | 126;
      head.writeUInt16BE(length, 2);
    }
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #take(data: Buffer): void {
    let at = 0;
    while (data.length - at >= 2) {
      const opcode = data[at]! & 0x0f;
      let length = data[at + 1]! & 0x7f;
      let begin = at + 2;
      if (length === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(at + 2);
        begin += 2;
      } else if (length === 127) {
        if (data.length - at < 10) break;
        length = Number(data.readBigUInt64BE(at + 2));
        begin += 8;
      }
      if (data.length - begin < length) break;
      const payload = data.subarray(begin, begin + length);
      if (opcode === 1) this.#onText(payload);
      else if (opcode === 9) this.#write(10, payload);
      else if (opcode === 8) this.#socket.end();
      at = begin + length;
    }
    if (at < data.length) this.#rest = Buffer.from(data.subarray(at));
  }
}

const switching = Buffer.from('HTTP/1.1 101');
