import { StarlingError } from '@starling/shared/errors.ts';

/** What a person can do about an error of the file system. */
export function fileError(path: string, thrown: unknown): StarlingError {
  const error = thrown as NodeJS.ErrnoException;
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new StarlingError('UNAVAILABLE', `no space is left for ${path}`, {
        fix: 'Free space on that disk; what was fetched is kept.',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new StarlingError('FORBIDDEN', `${path} may not be written: ${error.message}`, {
        fix: 'Give the user that runs this process the right to write there.',
        cause: error,
      });
    default:
      return new StarlingError('UNAVAILABLE', `${path}: ${error.message}`, { cause: error });
  }
}
