import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '@starling/host/disk-error.ts';
import { markOf, type ProcessMark } from '@starling/host/process-mark.ts';
import { partialSuffix } from './blob-key.ts';

// A blob that is being written has a file of its own beside the place where it will be:
//   <name>.<host>~<pid>~<start>~<random>.partial   while a writer is at it
//   <name>.partial                                 when its writer gave up and said so
// So two writers never share a file. A writer goes on with what another one left by renaming it to a name of its own,
// which only one of several can do, and only when the other gave up, or died, or is on another host and has been silent for an hour.

const silentForMs = 60 * 60_000;
const ownerShape = /^[A-Za-z0-9-]*~\d+~[A-Za-z0-9.-]*~[0-9a-f]+$/;

let ownName: string | undefined;

/** The path of a partial file of this process's own: one that was left behind, if any, else a new name. */
export async function claimPartial(finalPath: string): Promise<string> {
  ownName ??= inName(markOf(process.pid) as ProcessMark);
  const own = `${finalPath}.${ownName}~${randomBytes(6).toString('hex')}${partialSuffix}`;
  for (const left of await abandonedPartials(finalPath)) {
    try {
      await rename(left, own);
      return own;
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
    }
  }
  return own;
}

/** Leaves a partial file for whoever uploads the blob next. */
export async function releasePartial(finalPath: string, own: string): Promise<void> {
  await rename(own, `${finalPath}${partialSuffix}`).catch(() => {});
}

export async function removeAbandonedPartials(finalPath: string): Promise<void> {
  for (const left of await abandonedPartials(finalPath)) await rm(left, { force: true });
}

/** The largest first: it has the most to offer. */
async function abandonedPartials(finalPath: string): Promise<string[]> {
  const folder = dirname(finalPath);
  const start = `${basename(finalPath)}.`;
  const found: { path: string; sizeBytes: number }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(start) || !name.endsWith(partialSuffix)) continue;
    const path = join(folder, name);
    const file = await stat(path).catch(() => undefined);
    if (!file?.isFile()) continue;
    const owner = name.slice(start.length, -partialSuffix.length); // Empty for `<name>.partial`.
    // A blob whose name only begins like this one's has partial files of its own.
    if (owner !== '' && !ownerShape.test(owner)) continue;
    if (owner === '' || !isOwned(owner, Date.now() - file.mtimeMs)) found.push({ path, sizeBytes: file.size });
  }
  return found.sort((a, b) => b.sizeBytes - a.sizeBytes).map(({ path }) => path);
}

function isOwned(owner: string, silentMs: number): boolean {
  const [host, pid] = owner.split('~');
  if (host !== nameSafe(hostname())) return silentMs < silentForMs;
  const now = markOf(Number(pid));
  return now !== undefined && owner.startsWith(`${inName(now)}~`);
}

const inName = ({ host, pid, started }: ProcessMark) => [nameSafe(host), pid, nameSafe(started)].join('~');
const nameSafe = (text: string): string => text.replaceAll(/[^A-Za-z0-9-]/g, '-');
