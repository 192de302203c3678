import { messageOf, StarlingError } from '@starling/shared/errors.ts';

const full = 'Free space on that disk, or move the folder to a larger one.';
const access = 'Let the user that Starling runs as write there.';
const reasons: Record<string, { what: string; fix: string }> = {
  ENOSPC: { what: 'no space is left on its disk', fix: full },
  EDQUOT: { what: 'the disk quota of its user is used up', fix: full },
  EFBIG: { what: 'the file grew beyond what its file system or its limits allow', fix: full },
  EROFS: { what: 'its file system is read-only', fix: access },
  EACCES: { what: 'permission is denied', fix: access },
  EPERM: { what: 'the operation is not permitted', fix: access },
  ENOTDIR: { what: 'a file stands where a folder is needed', fix: 'Move that file away, or name another folder.' },
  EEXIST: { what: 'a file stands where a folder is needed', fix: 'Move that file away, or name another folder.' },
  EIO: { what: 'its disk reports input/output errors', fix: 'Check the disk.' },
  EMFILE: { what: 'too many files are open', fix: 'Raise the limit of open files (ulimit -n).' },
};

/**
 * What a failed file operation means to a person: UNAVAILABLE naming the folder when the disk is the reason.
 * A StarlingError, and whatever is no file error, comes back as it is.
 */
export function diskError(thrown: unknown, folder: string): unknown {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  const reason = code !== undefined && !(thrown instanceof StarlingError) ? reasons[code] : undefined;
  if (!reason) return thrown;
  return new StarlingError('UNAVAILABLE', `cannot write to ${folder}: ${reason.what} (${messageOf(thrown)})`, {
    fix: reason.fix,
    cause: thrown,
  });
}

export const isMissing = (thrown: unknown): boolean => hasCode(thrown, 'ENOENT', 'ENOTDIR');

export const isDiskFull = (thrown: unknown): boolean => hasCode(thrown, 'ENOSPC', 'EDQUOT');

export const isWriteRefused = (thrown: unknown): boolean => hasCode(thrown, 'EACCES', 'EPERM', 'EROFS');

function hasCode(thrown: unknown, ...codes: string[]): boolean {
  return codes.includes((thrown as NodeJS.ErrnoException | undefined)?.code ?? '');
}
