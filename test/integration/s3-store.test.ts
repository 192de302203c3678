import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeBlobStore } from '../../apps/server/src/blobs/blob-store-contract.ts';
import { bytesSource } from '../../apps/server/src/blobs/file-source.ts';
import { openS3Store } from '../../apps/server/src/blobs/s3-store.ts';
import { missingForSwift, type S3Server, startSwift } from '../s3/start-swift.ts';

const partSizeBytes = 5 * 1024 * 1024;
const missing = missingForSwift();
if (missing) process.stderr.write(`\nSKIPPED: the blob store is not tried on a real S3 server. ${missing}\n\n`);

async function createBucket(server: S3Server, bucket: string): Promise<void> {
  const client = new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
}

describe.skipIf(missing !== undefined)('with OpenStack Swift', () => {
  describeBlobStore('an S3 bucket', async () => {
    const server = await startSwift();
    await createBucket(server, 'contract');
    const { endpoint, region, credentials } = server;
    const options = { endpoint, region, credentials, forcePathStyle: true, bucket: 'contract', partSizeBytes };
    return {
      partSizeBytes,
      open: () => openS3Store({ ...options, prefix: 'some/prefix' }),
      openBroken: () => openS3Store({ ...options, endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }),
      close: () => server.stop(),
    };
  });

  describe('an S3 bucket', () => {
    let server: S3Server;
    beforeAll(async () => {
      server = await startSwift();
      await createBucket(server, 'builds');
    });
    afterAll(() => server?.stop());
    const open = (more: object = {}) =>
      openS3Store({ ...server, forcePathStyle: true, bucket: 'builds', partSizeBytes, ...more });

    it('names the bucket that does not exist', async () => {
      await expect(open({ bucket: 'nowhere' }).upload('packs/x', bytesSource(Buffer.from('x')))).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/bucket nowhere at .* does not exist/),
      });
    });

    it('names the store that does not accept the secret', async () => {
      const credentials = { ...server.credentials, secretAccessKey: 'wrong' };
      await expect(open({ credentials }).sizeOf('packs/x')).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/refused access/),
      });
    });

    it('goes on with the upload of a process that was killed', async () => {
      const bytes = randomBytes(4 * partSizeBytes + 1_000);
      const folder = await mkdtemp(join(tmpdir(), 'starling-upload-'));
      await writeFile(join(folder, 'bytes'), bytes);
      const options = { ...server, forcePathStyle: true, bucket: 'builds', partSizeBytes };
      const program = fileURLToPath(new URL('../s3/upload-until-killed.ts', import.meta.url));
      const sent = 2 * partSizeBytes;
      const child = spawn(
        process.execPath,
        [program, JSON.stringify(options), 'packs/killed', join(folder, 'bytes'), String(sent)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      for await (const line of createInterface({ input: child.stdout }))
        if (Number(line) === sent) child.kill('SIGKILL');
      expect(await open().sizeOf('packs/killed')).toBeUndefined();

      const reads: number[] = [];
      const { sizeBytes, read } = bytesSource(bytes);
      const counted = {
        sizeBytes,
        read: (start: number, end: number) => {
          reads.push(start);
          return read(start, end);
        },
      };
      await open().upload('packs/killed', counted);
      expect(reads.toSorted((a, b) => a - b)).toEqual([2, 3, 4].map((part) => part * partSizeBytes));
      expect((await buffer(await open().read('packs/killed'))).equals(bytes)).toBe(true);
      await rm(folder, { recursive: true, force: true });
    });

    it('leaves nothing unencrypted where the store cannot encrypt', async () => {
      const store = open({ encryption: { algorithm: 'AES256' } });
      await expect(store.upload('packs/plain', bytesSource(Buffer.from('plain')))).rejects.toMatchObject({
        message: expect.stringMatching(/refused the request: .*encryption is not supported/),
        fix: 'Check the options in its URL.',
      });
      expect(await store.sizeOf('packs/plain')).toBeUndefined();
    });

    it('goes on reading where a connection broke', async () => {
      const bytes = randomBytes(6 * 1024 * 1024);
      await open().upload('packs/broken', bytesSource(bytes));
      const flaky = await startFlakyProxy(Number(new URL(server.endpoint).port), 2 * 1024 * 1024);
      try {
        const store = open({ endpoint: `http://127.0.0.1:${flaky.port}` });
        expect((await buffer(await store.read('packs/broken'))).equals(bytes)).toBe(true);
        expect(flaky.broken()).toBeGreaterThan(0);
      } finally {
        flaky.close();
      }
    });
  });
});

/** Forwards to `targetPort`, and cuts each connection after it brought `breakAfterBytes`, three times at most. */
async function startFlakyProxy(targetPort: number, breakAfterBytes: number) {
  let broken = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((inbound) => {
    const outbound = connect(targetPort, '127.0.0.1');
    let passed = 0;
    for (const socket of [inbound, outbound]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        inbound.destroy();
        outbound.destroy();
      });
    }
    inbound.pipe(outbound);
    outbound.on('data', (chunk) => {
      passed += chunk.length;
      if (passed > breakAfterBytes && broken < 3) {
        broken += 1;
        inbound.destroy();
      } else inbound.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    broken: () => broken,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
