import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { assembleTree } from '@starling/packs/assemble.ts';
import { decodeManifest } from '@starling/packs/manifest-codec.ts';
import { shortenManifest } from '@starling/packs/manifest-transfer.ts';
import { planUpdate } from '@starling/packs/plan.ts';
import { treeOf } from './tree-of.ts';

// One update, as an agent makes it: `starling-apply.ts <folder> <target build> <new tree> [<base build> <base tree>
// [<build between>...]]`. Prints what it would have fetched: the ranges, and the manifests that it did not have.

const [folder = '', build = '', newTree = '', baseBuild, baseTree, ...between] = process.argv.slice(2);
const read = async (name: string) => {
  const bytes = await readFile(join(folder, `${name}.manifest`));
  const digest = createHash('sha256').update(bytes).digest('hex');
  return { manifest: decodeManifest(bytes).manifest, digest, bytes };
};
const target = await read(build);
const base = baseBuild === undefined ? undefined : await read(baseBuild);
const steps = await Promise.all(between.map(read));
const plan = planUpdate({
  target: target.manifest,
  ancestors: new Map([...steps, ...(base ? [base] : [])].map(({ digest, manifest }) => [digest, manifest])),
  bases: base ? [{ name: 'base', chunks: base.manifest.chunks, manifestDigest: base.digest }] : [],
});
const packFiles = new Map<string, string>();
for (const name of [build, ...between, ...(baseBuild === undefined ? [] : [baseBuild])]) {
  const { manifest } = await read(name);
  const pack = manifest.packs.at(-1)!;
  const path = join(folder, `${name}.pack`);
  if ((await stat(path).catch(() => undefined))?.size === pack.sizeBytes) packFiles.set(pack.digest, path);
}
const { failures } = await assembleTree({
  plan,
  entries: target.manifest.entries,
  folder: newTree,
  bases: new Map(baseTree === undefined ? [] : [['base', (await treeOf(baseTree)).files]]),
  packFiles,
});
if (failures.length > 0) throw new Error(`it could not be made: ${JSON.stringify(failures)}`);
// Manifests come as patches of the one before, from the base's on; the oldest that is not there comes whole.
let [manifestBytes, earlier] = [0, base?.bytes as Uint8Array | undefined];
for (const { bytes } of [...steps, target]) {
  manifestBytes += shortenManifest(bytes, earlier).length;
  earlier = bytes;
}
process.stdout.write(
  JSON.stringify({
    bytes: plan.bytesToFetch + manifestBytes,
    ranges: plan.fetch.reduce((sum, { ranges }) => sum + ranges.length, 0),
    chain: plan.chain,
  }),
);
