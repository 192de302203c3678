import { StarlingError } from '@starling/shared/errors.ts';

const keyShape = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const longestKey = 512;

/** What the folder store calls a blob that is still being written; no blob may be called so. */
export const partialSuffix = '.partial';

/**
 * Throws INVALID_INPUT unless the key is safe as a path and as an S3 key: names of letters, digits, dot, hyphen and
 * underscore with `/` between them, none beginning with a dot, at most 512 characters.
 */
export function checkKey(key: string): void {
  if (key.length <= longestKey && keyShape.test(key) && !key.endsWith(partialSuffix)) return;
  throw new StarlingError('INVALID_INPUT', `${JSON.stringify(key.slice(0, 80))} cannot be the key of a blob`, {
    field: 'key',
    fix: 'Use names of letters, digits, ".", "-" and "_" with "/" between them.',
  });
}

/** Throws INVALID_INPUT unless `prefix` is empty or the beginning of a possible key. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
}

/** Throws INVALID_INPUT unless the range lies in a blob of `sizeBytes`. */
export function checkRange(key: string, range: { start: number; end: number }, sizeBytes: number): void {
  const { start, end } = range;
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (whole && start >= 0 && start <= end && end <= sizeBytes) return;
  throw new StarlingError(
    'INVALID_INPUT',
    `${key} has ${sizeBytes} bytes; there is no range ${start} to ${end} in it`,
    {
      field: 'range',
    },
  );
}

export function blobNotFound(key: string, where: string, cause?: unknown): StarlingError {
  return new StarlingError('NOT_FOUND', `there is no ${key} in ${where}`, { field: 'key', cause });
}
