import { isDiskFull, isWriteRefused } from '@starling/host/disk-error.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';

/** What a person can do about an error of the pack's file. */
export function fileError(path: string, cause: unknown): StarlingError {
  if (isDiskFull(cause)) {
    return new StarlingError('UNAVAILABLE', `no space is left for ${path}`, {
      fix: 'Free space on that disk; what was fetched is kept.',
      cause,
    });
  }
  if (isWriteRefused(cause)) {
    return new StarlingError('FORBIDDEN', `${path} may not be written: ${messageOf(cause)}`, {
      fix: 'Give the user that runs this process the right to write there.',
      cause,
    });
  }
  return new StarlingError('UNAVAILABLE', `${path}: ${messageOf(cause)}`, { cause });
}
