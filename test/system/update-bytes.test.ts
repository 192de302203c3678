import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { built, commit, everywhere, type StarlingUnderTest, startUnderTest } from './starling-under-test.ts';
import { contentsOf } from './update-kills/fleet.ts';

// What a version moves that differs from the one before in a twenty-fifth, here and there, on a whole Starling.

const run = promisify(execFile);
const mebibytes = 64;
let starling: StarlingUnderTest;
beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 1 });
});
afterAll(async () => {
  await starling?.discard();
});

/** Writes a tree that is the same for the same version, and changes 4 KB in each 100 KB from one to the next. */
const script = `
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
const version = Number(readFileSync('version', 'utf8'));
const bytes = Buffer.allocUnsafe(${mebibytes} * 2 ** 20);
let state = 1;
const next = () => ((state ^= state << 13), (state ^= state >>> 17), (state ^= state << 5)) >>> 0;
for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(next(), at);
for (let change = 1; change < version; change += 1)
  for (let start = next() % 90_000; start + 4_000 < bytes.length; start += 100_000)
    for (let at = start; at < start + 4_000; at += 4) bytes.writeUInt32LE(next(), at);
mkdirSync('dist/data', { recursive: true });
writeFileSync('dist/version', String(version));
for (let part = 0; part < 8; part += 1)
  writeFileSync('dist/data/' + part, bytes.subarray((part * bytes.length) / 8, ((part + 1) * bytes.length) / 8));
`;
const recipe = 'version: 1\nbuild:\n  command: node build.mjs\n  artifact: dist\n';

async function release(version: number) {
  const repository = join(starling.data, 'large');
  const sha = await commit(repository, { 'starling.yml': recipe, 'build.mjs': script, version: `${version}` });
  if (version === 1)
    await starling.api.projects.add.mutate({ name: 'large', repositoryUrl: repository, defaultRef: 'main' });
  const build = await built(starling, 'large', sha);
  await starling.api.deployments.deploy.mutate({ project: 'large', build });
  await everywhere(starling, 'large', build);
  return starling.api.builds.get.query({ id: build });
}

/** What a machine fetched for each update, by its own count. */
async function fetchedBytes(machine: string): Promise<number[]> {
  const lines = (await readFile(join(starling.data, 'logs', `agent-${machine}.log`), 'utf8')).trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { msg: string; bytes: number })
    .filter(({ msg }) => msg === 'fetched')
    .map(({ bytes }) => bytes);
}

it('stores, replicates and sends to machines less than a tenth of a version that differs in 4 %', async () => {
  const [one, two] = [await release(1), await release(2)];
  expect(one.streamBytes).toBeGreaterThan(mebibytes * 2 ** 20);
  const tenth = two.streamBytes / 10;
  // All of a machine's download: parts of packs, and the manifest.
  for (const machine of starling.machines) {
    const [first = 0, second = 0] = await fetchedBytes(machine);
    expect(first).toBeGreaterThan(one.streamBytes * 0.9);
    expect(second).toBeGreaterThan(two.streamBytes * 0.03);
    expect(second + two.manifestBytes).toBeLessThan(tenth);
  }
  // Built once more, to compare with.
  await run(process.execPath, ['build.mjs'], { cwd: join(starling.data, 'large') });
  const right = await contentsOf(join(starling.data, 'large/dist'));
  for (const machine of starling.machines)
    expect(await contentsOf(join(starling.data, 'machines', machine, 'projects/large/current'))).toEqual(right);
  expect(two.patchBytes).toBeLessThan(tenth);
});
