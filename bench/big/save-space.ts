import { link, readdir, readlink, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { localRegions } from '@starling/local/starling.ts';

// On one machine a pack lies in the main store, in each region's store, on each hub and on each machine. Between two versions,
// while nothing runs, those become one file with several names, and slots that do not run are removed: so that 10 GiB fit
// on an ordinary disk. What a version takes while it is built and brought out is written in full, by everybody.

export async function saveSpace(data: string, machines: readonly string[]): Promise<void> {
  const main = await filesBelow(join(data, 'blobs', 'main'));
  const packs = new Map(main.map((path) => [basename(path), path]));
  const copies = [
    ...localRegions.map((region) => join(data, 'blobs', region)),
    ...localRegions.map((region) => join(data, 'hubs', region, 'packs')),
    ...machines.map((machine) => join(data, 'machines', machine, 'packs')),
  ];
  for (const folder of copies) {
    for (const path of await filesBelow(folder)) {
      const original = packs.get(basename(path));
      if (!original) continue;
      await rm(path);
      await link(original, path);
    }
  }
  for (const machine of machines) {
    const project = join(data, 'machines', machine, 'projects', 'big');
    const current = basename(await readlink(join(project, 'current')));
    for (const slot of await readdir(join(project, 'slots')))
      if (!slot.startsWith(current)) await rm(join(project, 'slots', slot), { recursive: true });
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
