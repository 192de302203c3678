import { StarlingError } from '@starling/shared/errors.ts';

/** How the store encrypts what it keeps, in S3's own words. */
export interface S3Encryption {
  algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  /** The id, alias or ARN of a key; the bucket's, or the account's default, without one. Only with KMS. */
  kmsKeyId?: string;
  /** Whether one key of the bucket stands for many requests to KMS. Only with `aws:kms`. */
  bucketKey?: boolean;
}

export const s3Algorithms = ['AES256', 'aws:kms', 'aws:kms:dsse'] as const satisfies S3Encryption['algorithm'][];

/** What a request that begins an object says about its encryption. */
export function encryptionHeaders(encryption: S3Encryption | undefined) {
  if (!encryption) return {};
  const { algorithm, kmsKeyId, bucketKey } = encryption;
  return {
    ServerSideEncryption: algorithm,
    ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
    ...(bucketKey !== undefined && { BucketKeyEnabled: bucketKey }),
  };
}

/** Throws UNAVAILABLE when an answer does not confirm what was asked for: some stores ignore what they cannot do. */
export function insistEncrypted(
  encryption: S3Encryption | undefined,
  answer: { ServerSideEncryption?: string | undefined },
  bucket: string,
): void {
  if (!encryption || answer.ServerSideEncryption === encryption.algorithm) return;
  throw new StarlingError(
    'UNAVAILABLE',
    `S3 bucket ${bucket} was asked to encrypt with ${encryption.algorithm} and did it with ${answer.ServerSideEncryption ?? 'nothing'}`,
    { fix: 'Take sse out of its URL if the store cannot encrypt; nothing was left there unencrypted.' },
  );
}
