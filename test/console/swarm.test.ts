import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildConsole } from '@starling/local/build-console.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { signManifest } from '@starling/packs/signed-manifest.ts';
import { manifestKey } from '@starling/server/blobs/blob-store.ts';
import { bytesSource } from '@starling/server/blobs/file-source.ts';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import { Forecaster } from '@starling/server/forecast/forecaster.ts';
import { recordCommits } from '@starling/server/jobs/record-commits.ts';
import { parseRecipe } from '@starling/shared/recipe.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import type { FetchAccount, SlowReason, SwarmView } from '@starling/shared/swarm-view.ts';
import { eq } from 'drizzle-orm';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { builds, deployments } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { forecastOf } from '../postgres/sample-rows.ts';
import { looker, sizes } from './look.ts';
import { openBrowser } from './open-browser.ts';
import { adminToken, fillWithACompany, keysOfTheCompany } from './sample-company.ts';

// How bytes move, how long it will take, and what changes: as people see it, over a company whose hubs tell of a swarm.

const test = useFreshDatabase();
const problems: string[] = [];
let api: TestApi;
let browser: Browser;
let page: Page;
let folder: string;
let look: ReturnType<typeof looker>;
let deployment: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-swarm-pages-'));
  const main = openBlobStore(pathToFileURL(folder).href);
  await buildConsole(inheritedEnvironment(), () => {});
  [browser] = await Promise.all([openBrowser(), fillWithACompany(test.database)]);
  api = await startTestApi(test.database, {
    consoleFolder: fileURLToPath(new URL('../../apps/desktop/out/web', import.meta.url)),
    versionKeys: keysOfTheCompany(test.database),
    stores: { main, regions: new Map() },
    forecaster: new Forecaster(main),
  });
  const [running] = await test.database.$client`select id from deployments where status = 'RUNNING'`;
  deployment = Number(running!.id);
  const context = await browser.newContext({ viewport: sizes.large, colorScheme: 'light', reducedMotion: 'reduce' });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of (401|500)/.test(message.text())) problems.push(message.text());
  });
  await page.goto(`${api.url}/#sign-in=${adminToken}`);
  await page.getByRole('heading', { name: 'What runs where' }).waitFor();
  look = looker(page);
});
afterAll(async () => {
  await browser?.close();
  await api?.stop();
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

const MiB = 1024 * 1024;
const account: FetchAccount = {
  ...{ sources: { peers: 400 * MiB, hub: 30 * MiB, http: 2 * MiB, base: 900 * MiB }, lanes: 9, useful: 6, asked: 4 },
  ...{ wrongPieces: 0, diskShare: 0.2, stillMs: 0 },
};
const slow = (machine: string, rack: string, reason: SlowReason, rate: number, more: Partial<FetchAccount> = {}) => ({
  ...{ machine, rack, reason, bytesDone: 300 * MiB, bytesTotal: 1_400 * MiB, bytesPerSecond: rate },
  account: { ...account, ...more },
});
const viewOf = (shares: number[], racks: [string, number[]][], slowest: SwarmView['slowest']): SwarmView => ({
  ...{ project: 'search', deployment, shares, racksLeftOut: 0, slowest, wrongPieces: slowest.length },
  racks: racks.map(([rack, of]) => ({ rack, shares: of, bytesPerSecond: 40 * MiB })),
  ...{ bytesDone: 9_000 * MiB, bytesTotal: 16_800 * MiB, bytesPerSecond: 410 * MiB },
  sources: { peers: 8_100 * MiB, hub: 700 * MiB, http: 200 * MiB, base: 21_000 * MiB },
  measured: { machines: 4, medianBytesPerSecond: 48 * MiB, fastBytesPerSecond: 71 * MiB, medianMs: 29_000 },
});
const say = (region: string, view: SwarmView) =>
  foldHubReport(test.database, {
    ...{ hub: `hub-${region}-1`, region, machines: [], reports: [], progress: [], swarms: [view] },
  });
const panel = () =>
  page.locator('section.panel').filter({ has: page.getByRole('heading', { name: 'Swarm', level: 2 }) });

it('is empty before anything moves, and then says who has how much, from where, and who is slow and why', async () => {
  await page.goto(`${api.url}/deployments/${deployment}`);
  await panel().getByText('Nothing has moved yet').waitFor();
  await panel().scrollIntoViewIfNeeded();
  await look('swarm-empty');
  await say(
    'eu-west',
    viewOf(
      [1, 0, 1, 0, 2, 0, 3, 0, 1, 0, 4],
      [
        ['r1', [1, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0]],
        ['r0', [0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 4]],
      ],
      [
        slow('eu-west-3', 'r1', 'NO_PEER', 0, { lanes: 0, useful: 0, asked: 0, stillMs: 41_000 }),
        slow('eu-west-5', 'r1', 'SLOW_DISK', 2 * MiB, { diskShare: 0.98 }),
        slow('eu-west-8', 'r0', 'ON_ITS_WAY', 44 * MiB),
      ],
    ),
  );
  await say('us-east', viewOf([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12], [['r2', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12]]], []));
  // By the stream of changes, without anybody asking.
  await panel().getByText('16 of 24 machines have all of it').waitFor();
  await panel().getByRole('row').filter({ hasText: 'eu-west-3' }).getByText('no peer', { exact: true }).waitFor();
  await panel()
    .getByText(/connected to no member of the swarm/)
    .waitFor();
  await panel().getByText('slow disk', { exact: true }).waitFor();
  await panel()
    .getByText(/starling swarm \d+ --watch/)
    .waitFor();
  await panel().scrollIntoViewIfNeeded();
  await look('swarm-live');
});

it('says that a hub is silent, and that it cannot be read when that is so', async () => {
  await test.database.$client`update swarm_views set said_at = now() - interval '5 min' where region = 'eu-west'`;
  await page.reload();
  await panel().getByText('its hub is silent').waitFor();
  await page.route('**/trpc/**swarm.get**', (route) => route.fulfill({ status: 500, body: 'no' }));
  await page.reload();
  await page.getByText('How its bytes move could not be read').waitFor();
  await page.unroute('**/trpc/**swarm.get**');
});

it('tells the forecast of a deployment, and what it took', async () => {
  await test.database
    .update(deployments)
    .set({ forecast: forecastOf(205_000) })
    .where(eq(deployments.id, deployment));
  await page.goto(`${api.url}/deployments/${deployment}`);
  await page.getByText('forecast 3 min 25 s').waitFor();
  const measured = { totalMs: 180_000, sources: null, installMs: null, regions: [] };
  await test.database.update(deployments).set({ measured }).where(eq(deployments.id, deployment));
  await page.reload();
  await page.getByText('forecast 3 min 25 s, took 3 min, 12 % less').waitFor();
});

it('shows what changes on the page of a build, and in the dialogs that deploy it or go back to it', async () => {
  const versions = await api.as(adminToken).builds.versions.query({ project: 'ledger' });
  const current = versions.find((version) => version.current)!;
  const newer = versions.find(({ createdAt, deployable }) => deployable && createdAt > current.createdAt)!;
  const subjects = [
    'Round half to even, as the auditors asked',
    'Say which account a booking is of',
    'Read rates once a day',
  ];
  const shaOf = (index: number) => (index === 0 ? newer.commitSha : `${index}`.repeat(40));
  await recordCommits(
    test.database,
    'ledger',
    [...subjects, 'what runs'].map((subject, index) => ({
      sha: index === subjects.length ? current.commitSha : shaOf(index),
      parents: index === subjects.length ? [] : [index + 1 === subjects.length ? current.commitSha : shaOf(index + 1)],
      author: ['Olga', 'Ann', 'Eve'][index] ?? 'Ann',
      subject,
      committedAt: new Date(Date.now() - (index + 1) * 3_600_000),
    })),
  );
  const signer = new Signer('manifest', generateSigningKey().privatePem);
  const main = openBlobStore(pathToFileURL(folder).href);
  const { run } = parseRecipe('version: 1\nbuild: { command: make, artifact: out }');
  for (const { id, size, digest, extra } of [
    { id: current.id, size: 400_000, digest: 'a', extra: false },
    { id: newer.id, size: 410_000, digest: 'b', extra: true },
  ]) {
    const [build] = await test.database.select().from(builds).where(eq(builds.id, id));
    const { bytes, digest: manifestDigest } = signManifest(
      {
        build: id,
        details: {
          project: 'ledger',
          provenance: {
            ...{ repositoryUrl: '/r', commitSha: build!.commitSha, recipeDigest: 'd'.repeat(64), worker: 'w' },
            ...{ startedAt: 1, finishedAt: 2 },
          },
          run,
        },
        packs: [{ digest: 'e'.repeat(64), sizeBytes: size + 90_000, torrentInfo: new Uint8Array() }],
        chunks: [
          { digest: digest.repeat(64), length: size, pack: 0, offset: 0, encodedLength: size },
          ...(extra ? [{ digest: 'c'.repeat(64), length: 80_000, pack: 0, offset: size, encodedLength: 80_000 }] : []),
        ],
        patches: [],
        ancestors: [],
        entries: [
          { type: 'directory', path: 'bin' },
          { type: 'file', path: 'bin/ledger', executable: true, sizeBytes: size },
          ...(extra ? [{ type: 'file' as const, path: 'rates.json', executable: false, sizeBytes: 80_000 }] : []),
        ],
      },
      signer,
    );
    await main.upload(manifestKey(manifestDigest), bytesSource(bytes));
    await test.database.update(builds).set({ manifestDigest }).where(eq(builds.id, id));
  }
  await page.goto(`${api.url}/builds/${newer.id}`);
  await page.getByText('What changes against what runs now').waitFor();
  await page.getByText('3 commits more').waitFor();
  await page.getByText('Round half to even, as the auditors asked').first().waitFor();
  await page.getByRole('list', { name: 'Files' }).getByText('rates.json').waitFor();
  await page.getByTestId('what-changes').scrollIntoViewIfNeeded();
  await look('build-what-changes');
  await page
    .getByRole('button', { name: /^Deploy/ })
    .first()
    .click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/from when it begins/).click();
  await dialog
    .getByText(/machines with .*each/)
    .first()
    .waitFor();
  await dialog.getByText('What changes').click();
  await dialog.getByText('Say which account a booking is of').waitFor();
  await look('deploy-forecast');
  await page.keyboard.press('Escape');
});
