import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shortenManifest } from '@starling/packs/manifest-transfer.ts';
import { systemClock, TestClock } from '@starling/shared/clock.ts';
import { TokenBucket } from '@starling/swarm/token-bucket.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HubBytes } from './hub-bytes.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
let folder: string;
let server: Server;
let handle: Handler;
let bytes: HubBytes;
const asked: string[] = [];
const never = new AbortController().signal;
const digestOf = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-hub-bytes-'));
  asked.length = 0;
  server = createServer((request, response) => {
    asked.push(`${request.url}${request.headers.range ? ` ${request.headers.range}` : ''}`);
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  bytes = bytesWithin(new TokenBucket(() => undefined));
});
function bytesWithin(receiving: TokenBucket): HubBytes {
  const { port } = server.address() as { port: number };
  return new HubBytes({
    receiving: receiving.line(),
    hubUrl: `http://127.0.0.1:${port}`,
    access: { session: async () => 'session', forget: () => undefined },
    clock: { now: () => systemClock.now(), sleep: (_, signal) => systemClock.sleep(1, signal) },
    onWaiting: () => undefined,
  });
}
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

describe('a manifest', () => {
  const older = randomBytes(40_000);
  const newer = Buffer.concat([older.subarray(0, 20_000), randomBytes(100), older.subarray(20_000)]);
  const digest = digestOf(newer);
  const here = new Map([[digestOf(older), older]]);

  it('is made of one that is here and a patch', async () => {
    handle = (_, response) => response.end(shortenManifest(newer, older));
    expect(await bytes.manifest(digest, never, here)).toEqual(newer);
    expect(asked).toEqual([`/manifests/${digest}/short?have=${digestOf(older)}`]);
  });

  it.each<[string, Handler]>([
    ['that the hub does not make', (_, response) => response.writeHead(404).end()],
    ['that is no patch', (_, response) => response.end('nothing of the kind')],
    ['that makes other bytes', (_, response) => response.end(shortenManifest(randomBytes(9_000), older))],
    ['against one that is not here', (_, response) => response.end(shortenManifest(newer, Buffer.from(newer)))],
  ])('is fetched whole after a patch %s', async (_what, short) => {
    handle = (request, response) => (request.url?.includes('/short') ? short(request, response) : response.end(newer));
    expect(await bytes.manifest(digest, never, here)).toEqual(newer);
    expect(asked).toHaveLength(2);
  });

  it('is waited for while the hub pulls it, and is then a patch', async () => {
    handle = (_, response) => {
      if (asked.length < 3) response.writeHead(503).end();
      else response.end(shortenManifest(newer, older));
    };
    expect(await bytes.manifest(digest, never, here)).toEqual(newer);
    expect(asked).toHaveLength(3);
  });
});

describe('ranges of a pack', () => {
  const pack = randomBytes(2_000_000);
  const ranges = [
    { start: 1_000, end: 5_000 },
    { start: 100_000, end: 1_900_000 },
  ];
  const options = { onBytes: () => undefined, endsUnknown: true };
  const served: Handler = (request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
    response.writeHead(206).end(pack.subarray(Number(first), Number(last) + 1));
  };
  const insist = async (path: string) => {
    const found = await readFile(path);
    for (const { start, end } of ranges)
      expect(found.subarray(start, end).equals(pack.subarray(start, end))).toBe(true);
  };

  it('are gone on with where an earlier try was stopped', async () => {
    const path = join(folder, 'ranges');
    const stopped = new AbortController();
    let sent = 0;
    handle = (request, response) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
      if (Number(first) < 100_000) return served(request, response);
      // Some of it, and then nothing any more.
      sent = 700_000;
      response.writeHead(206, { 'content-length': Number(last) + 1 - Number(first) });
      response.write(pack.subarray(Number(first), Number(first) + sent));
    };
    const ended = bytes.ranges('p', ranges, path, options, stopped.signal).catch((error: Error) => error.name);
    while ((await stat(`${path}.done`).catch(() => ({ size: 0 }))).size < 30)
      await new Promise((resolve) => setTimeout(resolve, 5));
    stopped.abort();
    expect(await ended).toBe('Aborted');
    // As a kill may leave it.
    await appendFile(`${path}.done`, '120');
    asked.length = 0;
    handle = served;
    let told = 0;
    const onBytes = (count: number) => {
      told += count;
    };
    expect(await bytes.ranges('p', ranges, path, { ...options, onBytes }, never)).toBe(true);
    await insist(path);
    expect(told).toBe(4_000 + 1_800_000);
    expect(asked).toHaveLength(1);
    const [, from] = /bytes=(\d+)-1899999$/.exec(asked[0] ?? '')!;
    expect(Number(from)).toBeGreaterThanOrEqual(100_000 + 256 * 1024);
    asked.length = 0;
    expect(await bytes.ranges('p', ranges, path, options, never)).toBe(true);
    expect(asked).toEqual([]);
  });

  it('are asked for from where an answer was cut off', async () => {
    const path = join(folder, 'ranges');
    handle = (request, response) => {
      if (asked.length !== 2) return served(request, response);
      response.writeHead(206, { 'content-length': 1_800_000 });
      response.write(pack.subarray(100_000, 600_000), () => response.destroy());
    };
    expect(await bytes.ranges('p', ranges, path, options, never)).toBe(true);
    await insist(path);
    expect(asked[2]).not.toContain('bytes=100000-');
  });

  it('are fetched anew where the file is gone, whatever the note says', async () => {
    const path = join(folder, 'ranges');
    handle = served;
    await bytes.ranges('p', ranges, path, options, never);
    await rm(path);
    asked.length = 0;
    expect(await bytes.ranges('p', ranges, path, options, never)).toBe(true);
    expect(asked).toHaveLength(2);
    await insist(path);
  });

  it('end when the hub does not know the pack', async () => {
    handle = (_, response) => response.writeHead(404).end();
    expect(await bytes.ranges('p', ranges, join(folder, 'ranges'), options, never)).toBe(false);
  });
});

describe('with a limit', () => {
  const KiB = 1024;
  const rate = 256 * KiB;
  const content = randomBytes(2_000_000);
  const digest = digestOf(content);
  let clock: TestClock;
  let bucket: TokenBucket;
  let startedAt: number;
  let limited: HubBytes;
  beforeEach(() => {
    clock = new TestClock();
    startedAt = clock.now();
    bucket = new TokenBucket(() => rate, clock);
    limited = bytesWithin(bucket);
    handle = (request, response) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (first === undefined) return response.end(content);
      const part = content.subarray(Number(first), Number(last) + 1);
      const end = Number(first) + part.length - 1;
      response.writeHead(206, { 'content-range': `bytes ${first}-${end}/${content.length}` }).end(part);
    };
  });
  /** Lets the clock go on until it is done; bytes that the time gone by has allowed. */
  async function earnedUntil(done: Promise<unknown>): Promise<number> {
    const ended = done.then(() => true);
    const aBit = () => new Promise<false>((resolve) => setTimeout(() => resolve(false), 1));
    while (!(await Promise.race([ended, aBit()]))) await clock.advance(10);
    return ((clock.now() - startedAt) / 1_000) * rate;
  }

  it('a manifest comes in parts, each when it may', async () => {
    const manifest = limited.manifest(digest, never);
    const earned = await earnedUntil(manifest);
    expect((await manifest).equals(content)).toBe(true);
    expect(asked).toHaveLength(Math.ceil(content.length / (256 * KiB)));
    expect(earned).toBeGreaterThanOrEqual(content.length - 256 * KiB);
  });

  it('a manifest is taken whole from a hub that answers no range, and counts whole', async () => {
    handle = (_, response) => response.end(content);
    const manifest = limited.manifest(digest, never);
    await earnedUntil(manifest);
    expect((await manifest).equals(content)).toBe(true);
    expect(bucket.waitMs()).toBeGreaterThan(((content.length - 600 * KiB) / rate) * 1_000);
  });

  it('ranges share it with whatever else the machine receives', async () => {
    const path = join(folder, 'ranges');
    const lanes = bucket.line();
    const stopping = new AbortController();
    let besideBytes = 0;
    const receive = async () => {
      while (await lanes.pass(64 * KiB, stopping.signal)) besideBytes += 64 * KiB;
    };
    const beside = receive();
    let told = 0;
    const onBytes = (count: number) => {
      told += count;
    };
    const range = { start: 1_000, end: 1_500_000 };
    const done = limited.ranges('p', [range], path, { onBytes, endsUnknown: true }, never);
    const earned = await earnedUntil(done);
    stopping.abort();
    await beside;
    expect(await done).toBe(true);
    const found = await readFile(path);
    expect(found.subarray(1_000, 1_500_000).equals(content.subarray(1_000, 1_500_000))).toBe(true);
    expect(told).toBe(1_499_000);
    expect(besideBytes).toBeGreaterThan(64 * KiB);
    expect(earned).toBeGreaterThanOrEqual(1_499_000 + besideBytes - 256 * KiB - 64 * KiB);
  });

  it('what was asked for and did not come does not count', async () => {
    handle = (_, response) => response.writeHead(404).end();
    const options = { onBytes: () => undefined, endsUnknown: true };
    expect(await limited.ranges('p', [{ start: 0, end: 200_000 }], join(folder, 'ranges'), options, never)).toBe(false);
    expect(bucket.waitMs()).toBe(0);
  });

  it('waiting for it ends with the wish', async () => {
    bucket.take(1_000_000_000);
    const stopping = new AbortController();
    const manifest = limited.manifest(digest, stopping.signal).catch((error: Error) => error.name);
    stopping.abort();
    expect(await manifest).toBe('Aborted');
    expect(asked).toEqual([]);
  });
});
