import { describe, expect, it } from 'vitest';
import { openBlobStore } from './open-store.ts';

describe('openBlobStore', () => {
  it.each([
    ['/data/main', 'folder /data/main'],
    ['file:///data/with%20space', 'folder /data/with space'],
    ['s3://builds?region=eu-west-1', 'S3 bucket builds at AWS eu-west-1'],
    [
      's3://builds/starling/eu/?endpoint=http://127.0.0.1:9000&region=eu',
      'S3 bucket builds (below starling/eu/) at http://127.0.0.1:9000',
    ],
  ])('%s is the %s', (url, description) => {
    expect(openBlobStore(url).description).toBe(description);
  });

  it.each([
    ['data/main', /neither a URL nor an absolute path/],
    ['file://data/main', /three slashes/],
    ['https://bucket.example.org', /no https URL/],
    ['s3:///prefix?region=eu', /names no bucket/],
    ['s3://builds', /needs a region/],
    ['s3://builds?region=eu&endpont=http://x', /unknown parameter, endpont/],
    ['s3://builds?endpoint=127.0.0.1:9000', /no http or https URL/],
    ['s3://builds?region=eu&pathStyle=yes', /"true" or "false"/],
    ['s3://builds?region=eu&sse=kms', /sse is one of AES256, aws:kms/],
    ['s3://builds?region=eu&kmsKey=alias/builds', /needs sse=aws:kms/],
    ['s3://builds?region=eu&sse=AES256&bucketKey=true', /needs sse=aws:kms/],
  ])('refuses %s', (url, message) => {
    expect(() => openBlobStore(url)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
    expect(() => openBlobStore(url)).toThrow(message);
  });

  it('does not repeat a secret in its refusal', () => {
    expect(() => openBlobStore('s3://key:secret@builds?region=eu')).toThrow(/^(?!.*secret)/);
  });
});
