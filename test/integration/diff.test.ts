import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signManifest } from '@starling/packs/signed-manifest.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { manifestKey } from '@starling/server/blobs/blob-store.ts';
import { bytesSource } from '@starling/server/blobs/file-source.ts';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import type { RecordedCommit } from '@starling/server/builder/ports.ts';
import { recentCommits } from '@starling/server/builder/recent-commits.ts';
import { recordCommits } from '@starling/server/jobs/record-commits.ts';
import { parseRecipe } from '@starling/shared/recipe.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { builds, commits } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
let api: TestApi;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-diff-'));
  await addRegions(test.database, ['eu']);
  await grantToken(test.database, 'ada', 'viewer', 'ada-token');
  const main = openBlobStore(`file://${join(folder, 'blobs')}`);
  api = await startTestApi(test.database, { stores: { main, regions: new Map() } });
});
afterAll(async () => {
  await api.stop();
  await rm(folder, { recursive: true });
});
beforeEach(() => test.database.delete(commits));

async function buildOf(sha: string): Promise<string> {
  const { build } = await addBuild(test.database, 'shop');
  await test.database.update(builds).set({ commitSha: sha }).where(eq(builds.id, build.buildId));
  return build.buildId;
}
const diff = (from: string, to: string) => api.as('ada-token').builds.diff.query({ project: 'shop', from, to });
const sha = (n: number) => n.toString(16).padStart(40, '0');
const commit = (n: number, ...parents: number[]): RecordedCommit => ({
  sha: sha(n),
  parents: parents.map(sha),
  author: 'Ann',
  subject: `change ${n}`,
  committedAt: new Date(n * 1_000),
});
const subjects = ({ commits: listed, isCut }: Awaited<ReturnType<typeof diff>>['added']) => [
  ...listed.map(({ subject }) => subject),
  ...(isCut ? ['…'] : []),
];

it('commits are those that one has and the other has not, over merges, in both directions', async () => {
  // 1 - 2 - 3 - 5 (merges 4), and 4 came from 1; 6 is on a branch from 2.
  await addBuild(test.database, 'shop');
  await recordCommits(test.database, 'shop', [commit(5, 3, 4), commit(4, 1), commit(3, 2), commit(2, 1), commit(1)]);
  await recordCommits(test.database, 'shop', [commit(6, 2), commit(2, 1), commit(1)]);
  const [two, five, six] = [await buildOf(sha(2)), await buildOf(sha(5)), await buildOf(sha(6))];
  const forward = await diff(two, five);
  expect([subjects(forward.added), subjects(forward.removed)]).toEqual([['change 5', 'change 4', 'change 3'], []]);
  const across = await diff(five, six);
  expect([subjects(across.added), subjects(across.removed)]).toEqual([
    ['change 6'],
    ['change 5', 'change 4', 'change 3'],
  ]);
  expect(forward.added.commits[0]).toMatchObject({ author: 'Ann', sha: sha(5) });
});

it('says so when there are more commits than it knows or shows', async () => {
  await addBuild(test.database, 'shop');
  await recordCommits(test.database, 'shop', [commit(1)]);
  const chain = Array.from({ length: 250 }, (_, n) => commit(1_000 + n, 999 + n));
  await recordCommits(test.database, 'shop', chain.slice(50));
  const [old, late] = [await buildOf(sha(1)), await buildOf(sha(1_249))];
  const { added } = await diff(old, late);
  expect(added.commits).toHaveLength(200);
  expect(added.isCut).toBe(true);
});

it('a worker reads them out of git, with their authors', async () => {
  const repository = join(folder, 'repository');
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.com', ...args], {
      encoding: 'utf8',
    }).trim();
  execFileSync('git', ['init', '--quiet', repository]);
  for (const subject of ['first', 'second: "quoted" and | more'])
    git('commit', '--quiet', '--allow-empty', '--message', `${subject}\n\nbody`);
  const head = git('rev-parse', 'HEAD');
  const found = await recentCommits(repository, head);
  expect(found).toMatchObject([
    { sha: head, author: 'Ann', subject: 'second: "quoted" and | more', parents: [found[1]!.sha] },
    { subject: 'first', parents: [] },
  ]);
  expect(JSON.stringify(found)).not.toContain('example.com');
  await addBuild(test.database, 'shop');
  await recordCommits(test.database, 'shop', found);
  await recordCommits(test.database, 'shop', found);
  expect(await test.database.select().from(commits)).toHaveLength(2);
});

it('files and bytes come from the manifests; without them the commits are still told', async () => {
  const signer = new Signer('manifest', generateSigningKey().privatePem);
  const main = openBlobStore(`file://${join(folder, 'blobs')}`);
  const { run } = parseRecipe('version: 1\nbuild: { command: make, artifact: out }');
  const [from, to] = [await buildOf(sha(1)), await buildOf(sha(2))];
  const missing = await diff(from, to);
  expect(missing).toMatchObject({ tree: null, noTreeBecause: expect.any(String) });
  for (const [build, length] of [
    [from, 4],
    [to, 6],
  ] as const) {
    const digest = length.toString(16).repeat(64);
    const { bytes, digest: manifestDigest } = signManifest(
      {
        build,
        details: {
          project: 'shop',
          provenance: {
            repositoryUrl: '/r',
            commitSha: sha(1),
            recipeDigest: digest,
            worker: 'w',
            startedAt: 0,
            finishedAt: 1,
          },
          run,
        },
        entries: [{ type: 'file', path: 'till', executable: true, sizeBytes: length }],
        packs: [{ digest, sizeBytes: length, torrentInfo: new Uint8Array() }],
        chunks: [{ digest, length, pack: 0, offset: 0, encodedLength: length }],
        ancestors: [],
        patches: [],
      },
      signer,
    );
    await main.upload(manifestKey(manifestDigest), bytesSource(bytes));
    await test.database.update(builds).set({ manifestDigest }).where(eq(builds.id, build));
  }
  const { tree } = await diff(from, to);
  expect(tree).toMatchObject({
    files: [{ path: 'till', change: 'changed', sizeBefore: 4, sizeAfter: 6 }],
    bytesBefore: 4,
    bytesAfter: 6,
    bytesNew: 6,
  });
});
