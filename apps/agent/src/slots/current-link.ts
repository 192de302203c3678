import { readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '@starling/host/disk-error.ts';
import { syncFolder } from '@starling/host/durable-file.ts';

/**
 * Points `link` to the slot at `slotFolder` (in `slots/` beside it) in one step: whoever follows it sees the old
 * slot or the new one. With null the link is removed.
 */
export async function pointCurrentTo(link: string, slotFolder: string | null): Promise<void> {
  if (slotFolder === null) {
    await rm(link, { force: true });
  } else {
    const temporary = `${link}.tmp`;
    await rm(temporary, { force: true });
    await symlink(join(basename(dirname(slotFolder)), basename(slotFolder)), temporary);
    await rename(temporary, link);
  }
  await syncFolder(dirname(link));
}

/** The name of the slot that `link` points to; undefined when there is no link. */
export async function currentSlotName(link: string): Promise<string | undefined> {
  try {
    return basename(await readlink(link));
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}
