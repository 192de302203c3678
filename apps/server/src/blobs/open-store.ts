import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StarlingError } from '@starling/shared/errors.ts';
import type { BlobStore } from './blob-store.ts';
import { openFolderStore } from './folder-store.ts';
import { type S3Encryption, s3Algorithms } from './s3-encryption.ts';
import { openS3Store, type S3Credentials } from './s3-store.ts';

const forms = 'file:///path, an absolute path, or s3://bucket/prefix?endpoint=https://host&region=name&pathStyle=true';
const s3Parameters = ['endpoint', 'region', 'pathStyle', 'sse', 'kmsKey', 'bucketKey'];

/**
 * Opens the store that a URL names: a folder (`file:///path` or an absolute path) or a bucket
 * (`s3://bucket/prefix?endpoint=…&region=…&pathStyle=true`). Without `credentials` a bucket's come from the AWS chain.
 * Nothing is asked of the store yet. INVALID_INPUT when the URL is none of these.
 */
export function openBlobStore(url: string, options: { credentials?: S3Credentials } = {}): BlobStore {
  if (isAbsolute(url)) return openFolderStore(url);
  const parsed = URL.parse(url);
  if (!parsed) throw badUrl(url, 'it is neither a URL nor an absolute path');
  if (parsed.protocol === 'file:') {
    if (parsed.host !== '') throw badUrl(url, 'a file URL has three slashes: file:///path');
    return openFolderStore(fileURLToPath(parsed));
  }
  if (parsed.protocol === 's3:') return openBucket(url, parsed, options.credentials);
  throw badUrl(url, `a blob store is no ${parsed.protocol.slice(0, -1)} URL`);
}

function openBucket(url: string, parsed: URL, credentials: S3Credentials | undefined): BlobStore {
  if (parsed.username !== '' || parsed.password !== '')
    throw badUrl(url, 'credentials do not belong in a URL; they come from the environment');
  if (parsed.hostname === '') throw badUrl(url, 'it names no bucket');
  for (const name of parsed.searchParams.keys())
    if (!s3Parameters.includes(name)) throw badUrl(url, `it has an unknown parameter, ${name}`);
  const endpoint = parsed.searchParams.get('endpoint');
  if (endpoint !== null && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    throw badUrl(url, `its endpoint ${endpoint} is no http or https URL`);
  const region = parsed.searchParams.get('region');
  if (region === null && endpoint === null) throw badUrl(url, 'it needs a region (or an endpoint)');
  const pathStyle = parsed.searchParams.get('pathStyle');
  if (pathStyle !== null && pathStyle !== 'true' && pathStyle !== 'false')
    throw badUrl(url, 'pathStyle is "true" or "false"');
  const encryption = encryptionOf(url, parsed.searchParams);
  return openS3Store({
    bucket: parsed.hostname,
    prefix: decodeURIComponent(parsed.pathname),
    region: region ?? 'us-east-1',
    ...(endpoint === null ? {} : { endpoint }),
    // Only AWS gives every bucket a host name of its own.
    forcePathStyle: pathStyle === null ? endpoint !== null : pathStyle === 'true',
    ...(encryption ? { encryption } : {}),
    ...(credentials ? { credentials } : {}),
  });
}

/** `sse=AES256`, or `sse=aws:kms` with `kmsKey=<id, alias or ARN>` and `bucketKey=true|false` where wanted. */
function encryptionOf(url: string, parameters: URLSearchParams): S3Encryption | undefined {
  const [given, kmsKeyId, bucketKey] = ['sse', 'kmsKey', 'bucketKey'].map((name) => parameters.get(name));
  const algorithm = s3Algorithms.find((known) => known === given);
  if (given != null && !algorithm) throw badUrl(url, `sse is one of ${s3Algorithms.join(', ')}`);
  if (kmsKeyId != null && !algorithm?.startsWith('aws:kms'))
    throw badUrl(url, 'a kmsKey needs sse=aws:kms (or aws:kms:dsse)');
  if (bucketKey != null && (algorithm !== 'aws:kms' || !['true', 'false'].includes(bucketKey)))
    throw badUrl(url, 'bucketKey is "true" or "false", and needs sse=aws:kms');
  return (
    algorithm && {
      algorithm,
      ...(kmsKeyId != null && { kmsKeyId }),
      ...(bucketKey != null && { bucketKey: bucketKey === 'true' }),
    }
  );
}

function badUrl(url: string, why: string): StarlingError {
  const shown = url.replace(/\/\/[^/@]*@/, '//…@');
  return new StarlingError('INVALID_INPUT', `${shown} is no blob store: ${why}`, {
    field: 'blobStore',
    fix: `Give ${forms}.`,
  });
}
