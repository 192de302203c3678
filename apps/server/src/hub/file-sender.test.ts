import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { TestClock } from '@starling/shared/clock.ts';
import { TokenBucket } from '@starling/swarm/token-bucket.ts';
import { expect, it, onTestFinished } from 'vitest';
import { FileSender } from './file-sender.ts';
import { temporaryFolder, until } from './test-hub.ts';

const KiB = 1024;
const content = randomBytes(512 * KiB);

/** A server that sends one file to everybody. */
async function serving(bucket: TokenBucket | undefined) {
  const path = join(await temporaryFolder(), 'file');
  await writeFile(path, content);
  const files = new FileSender(bucket?.line());
  const server = createServer((request, response) => void files.send(request, response, { path }, 'digest'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());
const aBit = () => new Promise<false>((resolve) => setTimeout(() => resolve(false), 1));

it('sends no more to all together than the limit allows, beside what else passes through it', async () => {
  const clock = new TestClock();
  const startedAt = clock.now();
  const bucket = new TokenBucket(() => 256 * KiB, clock);
  const url = await serving(bucket);
  const lanes = bucket.line();
  const stopping = new AbortController();
  let besideBytes = 0;
  const seed = async () => {
    while (await lanes.pass(64 * KiB, stopping.signal)) besideBytes += 64 * KiB;
  };
  const seeding = seed();
  const got = Promise.all([1, 2].map(async () => bytesOf(await fetch(url))));
  const ended = got.then(() => true);
  while (!(await Promise.race([ended, aBit()]))) await clock.advance(10);
  stopping.abort();
  await seeding;
  for (const bytes of await got) expect(bytes.equals(content)).toBe(true);
  expect(besideBytes).toBeGreaterThan(64 * KiB);
  const earned = ((clock.now() - startedAt) / 1_000) * 256 * KiB;
  expect(earned).toBeGreaterThanOrEqual(2 * content.length + besideBytes - 128 * KiB);
});

it('asks those who are too many to come again, and lets them in when others have left', async () => {
  const clock = new TestClock();
  const bucket = new TokenBucket(() => 1, clock);
  bucket.take(1_000_000);
  const url = await serving(bucket);
  const leaving = new AbortController();
  const first = await Promise.all(Array.from({ length: 64 }, () => fetch(url, { signal: leaving.signal })));
  expect(first.every(({ status }) => status === 200)).toBe(true);
  const refused = await fetch(url);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  leaving.abort();
  await until(async () => {
    const again = await fetch(url);
    await again.body?.cancel();
    return again.status === 200;
  });
});

it('sends as many as come at once without a limit, whole or in ranges', async () => {
  const url = await serving(new TokenBucket(() => undefined));
  const all = await Promise.all(Array.from({ length: 80 }, async () => bytesOf(await fetch(url))));
  expect(all.every((bytes) => bytes.equals(content))).toBe(true);
  const part = await fetch(url, { headers: { range: 'bytes=1000-1999' } });
  expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 1000-1999/${content.length}`]);
  expect((await bytesOf(part)).equals(content.subarray(1_000, 2_000))).toBe(true);
});
