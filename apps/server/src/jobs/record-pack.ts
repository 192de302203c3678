import { StarlingError } from '@starling/shared/errors.ts';
import type { NewPack } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';

/**
 * Notes a pack before its first byte is stored; one that is noted already is from now on as young as a new one. UNAVAILABLE
 * while one of the same bytes is being deleted: what the store says of them then is not true for long.
 */
export async function recordPack(database: Database, project: string, pack: NewPack): Promise<void> {
  const noted = await database.$client`
    insert into packs (digest, project, size_bytes, patch_bytes, info_hash)
    values (${pack.digest}, ${project}, ${pack.sizeBytes}, ${pack.patchBytes}, ${pack.infoHash})
    on conflict (digest) do update set stored_at = now() where packs.deleting_at is null
    returning digest`;
  if (noted.length === 0)
    throw new StarlingError('UNAVAILABLE', `the pack ${pack.digest} is just being deleted from the stores`);
}
