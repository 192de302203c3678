import { join } from 'node:path';
import { holderOf, tryLock, type Unlock } from '@starling/host/lock-file.ts';
import { StarlingError } from '@starling/shared/errors.ts';

/** Makes this process the only Starling on `folder`. CONFLICT when another is at work there; a dead one's lock is taken over. */
export async function lockFolder(folder: string): Promise<Unlock> {
  const path = join(folder, 'running');
  const unlock = await tryLock(path, { onOtherHosts: 'gone' });
  if (unlock) return unlock;
  const pid = (await holderOf(path))?.pid ?? 'unknown';
  throw new StarlingError('CONFLICT', `Starling is already running on ${folder} (process ${pid})`, {
    field: 'STARLING_DATA',
    fix: 'Use that one, stop it first, or set STARLING_DATA to another folder.',
  });
}
