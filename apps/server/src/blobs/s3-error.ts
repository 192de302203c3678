import { messageOf, StarlingError } from '@starling/shared/errors.ts';

interface ServiceError {
  name?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number };
}

export const statusOf = (thrown: unknown): number | undefined =>
  (thrown as ServiceError | undefined)?.$metadata?.httpStatusCode;

/** HEAD answers carry no body, so that only their status says that there is nothing. */
export function isMissingObject(thrown: unknown): boolean {
  const name = (thrown as ServiceError | undefined)?.name;
  return name !== 'NoSuchBucket' && (name === 'NotFound' || name === 'NoSuchKey' || statusOf(thrown) === 404);
}

export const isMissingUpload = (thrown: unknown): boolean =>
  (thrown as ServiceError | undefined)?.name === 'NoSuchUpload' || statusOf(thrown) === 404;

/** What a failed request means to a person: UNAVAILABLE naming the store and what to look at. */
export function s3Error(thrown: unknown, store: string): unknown {
  if (thrown instanceof StarlingError) return thrown;
  const { name, code } = (thrown ?? {}) as ServiceError;
  if (name === 'AbortError') return thrown;
  const status = statusOf(thrown);
  const unavailable = (why: string, fix: string) =>
    new StarlingError('UNAVAILABLE', `${store} ${why}`, { fix, cause: thrown });
  if (name === 'NoSuchBucket')
    return unavailable('does not exist', 'Create the bucket, or correct the name in its URL.');
  if (name === 'CredentialsProviderError')
    return unavailable(
      'cannot be asked, for want of credentials',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source of the AWS credential chain.',
    );
  if (name === 'BadDigest' || name === 'InvalidDigest')
    return unavailable(
      'got other bytes than were sent',
      'Upload again; if it happens again, look at the proxies and disks on the way.',
    );
  if (name?.startsWith('KMS.') || (name === 'AccessDenied' && /kms/i.test(messageOf(thrown))))
    return unavailable(
      `may not use its key (${name}: ${messageOf(thrown)})`,
      'Allow kms:GenerateDataKey and kms:Decrypt for the key in its URL, and check its region.',
    );
  if (status === 401 || status === 403)
    return unavailable(
      `refused access (${name})`,
      'Check its credentials, and that they may get, put, delete and list objects of the bucket.',
    );
  if (status !== undefined && (status < 500 || status === 501))
    return unavailable(`refused the request: ${name}: ${messageOf(thrown)}`, 'Check the options in its URL.');
  const why = status === undefined ? (code ?? name ?? 'no answer') : `status ${status}`;
  return unavailable(
    `cannot be reached or is in trouble: ${why}: ${messageOf(thrown) || 'no message'}`,
    'Check that it runs and that its endpoint is right.',
  );
}
