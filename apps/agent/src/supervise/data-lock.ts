import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StarlingError } from '@starling/shared/errors.ts';
import { readIfThere } from '../lib/durable-file.ts';
import { identityOf } from './process-identity.ts';

/**
 * Takes a data folder for this process: two agents over one journal would start everything twice. A lock whose
 * process is gone (by pid and start time) is taken over. Resolves to the release; CONFLICT when it is held.
 */
export async function lockDataFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'agent.lock');
  const mine = JSON.stringify({ pid: process.pid, identity: identityOf(process.pid) ?? '' });
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(mine);
      await file.close();
      return () => rm(path, { force: true });
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== 'EEXIST') throw thrown;
    }
    const holder = parseHolder(await readIfThere(path));
    if (holder && identityOf(holder.pid) === holder.identity) {
      throw new StarlingError('CONFLICT', `the data folder ${folder} is in use by the agent with pid ${holder.pid}`, {
        field: 'STARLING_AGENT_DATA',
        fix: 'Stop that agent, or give this one a folder of its own.',
      });
    }
    await rm(path, { force: true });
  }
  throw new StarlingError('CONFLICT', `the data folder ${folder} could not be locked`, {
    field: 'STARLING_AGENT_DATA',
  });
}

function parseHolder(text: string | undefined): { pid: number; identity: string } | undefined {
  try {
    const { pid, identity } = JSON.parse(text ?? '') as { pid?: unknown; identity?: unknown };
    return typeof pid === 'number' && typeof identity === 'string' && identity !== '' ? { pid, identity } : undefined;
  } catch {
    return undefined;
  }
}
