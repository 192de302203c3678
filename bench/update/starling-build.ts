import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Location, makePack } from '@starling/packs/make-pack.ts';
import { depthFinder } from '@starling/packs/manifest.ts';
import { decodeManifest, encodeManifest } from '@starling/packs/manifest-codec.ts';
import { treeOf } from './tree-of.ts';

// One build, as a worker makes it: `starling-build.ts <folder> <build> <tree> [<previous build> <previous tree>]`. Packs and
// manifests are named after their builds in the folder.

const [folder = '', build = '', tree = '', previousBuild, previousTree] = process.argv.slice(2);
const { files, entries } = await treeOf(tree);
const previousBytes =
  previousBuild === undefined ? undefined : await readFile(join(folder, `${previousBuild}.manifest`));
const previous = previousBytes && decodeManifest(previousBytes).manifest;
const known = new Map<string, Location>();
for (const { digest, pack, offset, encodedLength } of previous?.chunks ?? [])
  known.set(digest, { pack: previous!.packs[pack]!.digest, offset, encodedLength });
const made = await makePack({
  files,
  known: (digest) => known.get(digest),
  packFile: join(folder, `${build}.pack`),
  ...(previous && previousTree
    ? { previous: { files: (await treeOf(previousTree)).files }, depthOf: depthFinder(previous) }
    : {}),
});
const packs = [...(previous?.packs ?? [])];
if (made.pack) packs.push({ digest: made.pack.digest, sizeBytes: made.pack.sizeBytes, torrentInfo: new Uint8Array(0) });
const packOf = new Map(packs.map(({ digest }, index) => [digest, index]));
const manifest = encodeManifest({
  build,
  details: Buffer.from('{}'),
  entries,
  packs,
  chunks: made.chunks.map((chunk) => ({
    ...chunk,
    pack: chunk.pack === '' ? packs.length - 1 : packOf.get(chunk.pack)!,
  })),
  ancestors: previous
    ? [
        {
          build: previous.build,
          manifestDigest: createHash('sha256').update(previousBytes).digest('hex'),
          streamBytes: previous.chunks.reduce((sum, { length }) => sum + length, 0),
        },
        ...previous.ancestors,
      ].slice(0, 4)
    : [],
  patches: made.patches.map((patch) => ({ ...patch, pack: packs.length - 1, ancestor: 0 })),
});
await writeFile(join(folder, `${build}.manifest`), manifest);
const newChunks = made.chunks.filter(({ pack }) => pack === '');
process.stdout.write(
  JSON.stringify({
    sizeBytes: made.chunks.reduce((sum, { length }) => sum + length, 0),
    newShare:
      newChunks.reduce((sum, { length }) => sum + length, 0) / made.chunks.reduce((sum, { length }) => sum + length, 1),
    packBytes: made.pack?.sizeBytes ?? 0,
    patchBytes: made.pack?.patchBytes ?? 0,
    manifestBytes: manifest.length,
  }),
);
