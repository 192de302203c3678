import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import { openS3Store } from '@starling/server/blobs/s3-store.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesSource } from '../../apps/server/src/blobs/file-source.ts';
import { type RecordingS3, startRecordingS3 } from '../s3/start-recording-s3.ts';

// What is asked of S3, request by request; whether real servers take it is in s3-store.test.ts.

const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
const MiB = 1024 * 1024;
const arn = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd';
const small = bytesSource(randomBytes(1_000));
const large = bytesSource(randomBytes(20 * MiB));
let s3: RecordingS3;
beforeEach(async () => {
  s3 = await startRecordingS3();
});
afterEach(() => s3.stop());

const open = (query = '') =>
  openBlobStore(`s3://builds/eu?endpoint=${encodeURIComponent(s3.endpoint)}${query}`, { credentials });
const asked = (line: RegExp) => s3.requests.filter((request) => line.test(request.line));

describe('an upload to S3', () => {
  it('has the bucket in the path where the endpoint is one of our own', async () => {
    await open().upload('packs/a', small);
    expect(asked(/^PUT/).map(({ line }) => line)).toEqual(['PUT /builds/eu/packs/a?x-id=PutObject']);
  });

  it('says nothing about encryption unless it is told to', async () => {
    await open().upload('packs/a', small);
    await open().upload('packs/b', large);
    expect(
      s3.requests.flatMap(({ headers }) => Object.keys(headers)).filter((name) => /encryption/.test(name)),
    ).toEqual([]);
  });

  it.each([
    ['&sse=AES256', { 'x-amz-server-side-encryption': 'AES256' }],
    ['&sse=aws:kms', { 'x-amz-server-side-encryption': 'aws:kms' }],
    [
      `&sse=aws:kms&kmsKey=${arn}&bucketKey=true`,
      {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': arn,
        'x-amz-server-side-encryption-bucket-key-enabled': 'true',
      },
    ],
  ])('asks for encryption, in one request and in parts: %s', async (query, headers) => {
    const store = open(query);
    await store.upload('packs/a', small);
    await store.upload('packs/b', large);
    for (const begin of [/^PUT .*packs\/a/, /^POST .*packs\/b\?uploads/]) {
      expect(asked(begin)).toHaveLength(1);
      expect(asked(begin)[0]!.headers).toMatchObject(headers);
    }
    expect(s3.objects.get('/builds/eu/packs/b')).toHaveLength(20 * MiB);
  });

  it.each(['', 'AES256'])('fails and leaves nothing where the store encrypts with %j instead', async (claim) => {
    const store = open('&sse=aws:kms');
    s3.claims = claim;
    for (const source of [small, large]) {
      await expect(store.upload('packs/a', source)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/asked to encrypt with aws:kms and did it with (nothing|AES256)/),
      });
      expect(await store.sizeOf('packs/a')).toBeUndefined();
    }
  });

  it('fails and leaves nothing where it would go on with an upload that was begun without encryption', async () => {
    s3.unfinished = { key: '/builds/eu/packs/b', first: await buffer(large.read(0, 16 * MiB)) };
    const store = open('&sse=AES256');
    await expect(store.upload('packs/b', large)).rejects.toMatchObject({
      message: expect.stringContaining('did it with nothing'),
    });
    expect(asked(/^PUT .*partNumber=/)).toHaveLength(1);
    expect(await store.sizeOf('packs/b')).toBeUndefined();
    // The next try begins anew, and asks.
    await store.upload('packs/b', large);
    expect(asked(/^POST .*packs\/b\?uploads/)).toHaveLength(1);
  });

  it('has the MD5 of each part, and fails with words where other bytes arrive', async () => {
    await open().upload('packs/b', large);
    const parts = asked(/partNumber=/);
    expect(parts).toHaveLength(2);
    const whole = s3.objects.get('/builds/eu/packs/b')!;
    const first = parts.find(({ line }) => line.includes('partNumber=1&'))!;
    expect(first.headers['content-md5']).toBe(
      createHash('md5')
        .update(whole.subarray(0, 16 * MiB))
        .digest('base64'),
    );
    s3.failures = [
      { status: 404, code: 'NotFound' },
      { status: 400, code: 'BadDigest' },
    ];
    await expect(open().upload('packs/a', small)).rejects.toMatchObject({
      message: expect.stringContaining('got other bytes than were sent'),
    });
  });

  it('is tried again where the store is busy or in trouble, and given up in the end', async () => {
    s3.failures = [
      { status: 503, code: 'SlowDown' },
      { status: 500, code: 'InternalError' },
    ];
    await open().upload('packs/a', small);
    expect(await open().sizeOf('packs/a')).toBe(1_000);

    s3.failures = Array.from({ length: 10 }, () => ({ status: 503, code: 'SlowDown' }));
    const impatient = openS3Store({
      bucket: 'builds',
      region: 'us-east-1',
      endpoint: s3.endpoint,
      forcePathStyle: true,
      credentials,
      maxAttempts: 2,
    });
    await expect(impatient.sizeOf('packs/a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(s3.failures).toHaveLength(8);
  });
});
