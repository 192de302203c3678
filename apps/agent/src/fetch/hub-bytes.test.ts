import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shortenManifest } from '@starling/packs/manifest-transfer.ts';
import { systemClock } from '@starling/shared/clock.ts';
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
  const { port } = server.address() as { port: number };
  bytes = new HubBytes({
    hubUrl: `http://127.0.0.1:${port}`,
    access: { session: async () => 'session', forget: () => undefined },
    clock: { now: () => systemClock.now(), sleep: (_, signal) => systemClock.sleep(1, signal) },
    onWaiting: () => undefined,
  });
});
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
