import { join } from 'node:path';
import { holderOf, tryLock, type Unlock } from '@starling/host/lock-file.ts';
import { StarlingError } from '@starling/shared/errors.ts';

/**
 * Takes a data folder for this process: two agents over one journal would start everything twice. A folder that a
 * process of another host had, a container that was replaced for example, is taken over. CONFLICT when it is in use.
 */
export async function lockDataFolder(folder: string): Promise<Unlock> {
  const path = join(folder, 'agent.lock');
  const unlock = await tryLock(path, { onOtherHosts: 'gone' });
  if (unlock) return unlock;
  const pid = (await holderOf(path))?.pid ?? 'unknown';
  throw new StarlingError('CONFLICT', `the data folder ${folder} is in use by the agent with pid ${pid}`, {
    field: 'STARLING_AGENT_DATA',
    fix: 'Stop that agent, or give this one a folder of its own.',
  });
}
