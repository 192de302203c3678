import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ByteRange } from '@starling/swarm/swarm.ts';
import type { RateLine } from '@starling/swarm/token-bucket.ts';
import { parseByteRange } from './byte-range.ts';

const chunkBytes = 256 * 1024;
/** With a limit less passes at once, so that nobody waits long for its next turn. */
const limitedChunkBytes = 64 * 1024;
/** With a limit so many are sent something at once; the others are to come again. More of them would all be slow. */
const mostLimited = 64;

/** A file, all of which is here unless it says otherwise. */
export interface SentFile {
  path: string;
  sizeBytes?: number;
  has?: (range: ByteRange) => boolean;
}

/** Sends files, or ranges of them, as answers; all of it passes through what the hub may send. */
export class FileSender {
  readonly #sending: RateLine | undefined;
  #limited = 0;

  constructor(sending: RateLine | undefined) {
    this.#sending = sending;
  }

  /** Answers with the file, or the range of it that was asked for, when that is here. Never rejects because the client has left. */
  async send(
    request: IncomingMessage,
    response: ServerResponse,
    file: SentFile,
    digest: string | undefined,
  ): Promise<void> {
    const isLimited = request.method !== 'HEAD' && this.#sending?.isLimited() === true;
    if (isLimited && this.#limited >= mostLimited) {
      response.setHeader('retry-after', '1');
      return say(response, 503, 'as many are sent something as may be at once');
    }
    this.#limited += Number(isLimited);
    try {
      await this.#send(request, response, { file, digest, isLimited });
    } finally {
      this.#limited -= Number(isLimited);
    }
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    { file, digest, isLimited }: { file: SentFile; digest: string | undefined; isLimited: boolean },
  ): Promise<void> {
    const { path } = file;
    const size = await stat(path).then(
      (found) => file.sizeBytes ?? found.size,
      () => undefined,
    );
    if (size === undefined) return say(response, 404, 'it was let go of a moment ago');
    const etag = digest && `"${digest}"`;
    const isRangeOfThis = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
    const range = isRangeOfThis ? parseByteRange(request.headers.range, size) : undefined;
    response.setHeader('accept-ranges', 'bytes');
    if (range === 'unsatisfiable') {
      response.setHeader('content-range', `bytes */${size}`);
      return say(response, 416, `there are ${size} bytes`);
    }
    const { start, end } = range ?? { start: 0, end: size };
    if (file.has && !file.has([start, end])) return sayPulling(response, 'what was asked for');
    if (range) response.setHeader('content-range', `bytes ${start}-${end - 1}/${size}`);
    response.writeHead(range ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': end - start,
      ...(etag ? { 'cache-control': 'private, max-age=31536000, immutable', etag } : { 'cache-control': 'no-store' }),
    });
    if (request.method === 'HEAD' || start === end) {
      response.end();
      return;
    }
    // The first bytes may take a while to come.
    if (isLimited) response.flushHeaders();
    const highWaterMark = isLimited ? limitedChunkBytes : chunkBytes;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const bytes = createReadStream(path, { start, end: end - 1, highWaterMark });
    // The client may leave at any moment, which is no error of ours; its socket is gone then.
    await pipeline(bytes, (chunks) => this.#inTurn(chunks, gone.signal), response).catch(() => response.destroy());
  }

  async *#inTurn(chunks: AsyncIterable<Buffer>, gone: AbortSignal): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      if (this.#sending && !(await this.#sending.pass(chunk.length, gone))) throw new Error('the client has left');
      yield chunk;
    }
  }
}

/** Answers that it is to be asked for again. */
export function sayPulling(response: ServerResponse, what: string): void {
  response.setHeader('retry-after', '1');
  say(response, 503, `${what} is being pulled to this hub`);
}

/** Answers with a line of text. */
export function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}
