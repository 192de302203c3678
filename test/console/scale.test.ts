import { fileURLToPath } from 'node:url';
import { buildConsole } from '@starling/local/build-console.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { buildCount, fillAFleet, machineCount } from './fill-a-fleet.ts';
import { sizes } from './look.ts';
import { openBrowser } from './open-browser.ts';

// Every list over 100,000 machines and 50,000 builds: only what is in sight exists, and no list loads all there is. How long it
// takes is printed, not asserted: it says as much of the machine that runs the test as of the console.

const test = useFreshDatabase();
const token = 'a token for a large fleet';
/** Rows in sight, and a dozen beyond each end. */
const mostRowsInPage = 80;
/** A few pages; the smallest list has 20,000 rows. */
const mostRowsLoaded = 3_000;
let api: TestApi;
let browser: Browser;
let page: Page;
const answers: { url: string; bytes: number }[] = [];

beforeAll(async () => {
  await buildConsole(inheritedEnvironment(), () => {});
  [browser] = await Promise.all([openBrowser(), fillAFleet(test.database)]);
  await grantToken(test.database, 'ada', 'admin', token);
  const consoleFolder = fileURLToPath(new URL('../../apps/desktop/out/web', import.meta.url));
  api = await startTestApi(test.database, { consoleFolder, versionKeys: { list: async () => [] } });
  const context = await browser.newContext({ viewport: sizes.large, reducedMotion: 'reduce' });
  await context.addInitScript(`
    window.longTasks = [];
    new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) window.longTasks.push(duration); })
      .observe({ type: 'longtask' });`);
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('response', (response) => {
    if (response.url().includes('/trpc/'))
      void response.body().then(
        (body) => answers.push({ url: response.url(), bytes: body.length }),
        () => {},
      );
  });
  await page.goto(`${api.url}/#sign-in=${token}`);
  await page.getByRole('heading', { name: 'What runs where' }).waitFor();
});
afterAll(async () => {
  await browser?.close();
  await api?.stop();
});

it.each([
  ['Machines', '/machines', 'Machines'],
  ['failed machines', '/machines?show=failed', 'Machines'],
  ['machines of a region', '/machines?region=region-3&show=done', 'Machines'],
  ['Builds', '/builds', 'Builds, newest first'],
  ['Deployments', '/deployments', 'Deployments, newest first'],
  ['History', '/history', 'Deployments, newest first'],
  ['Audit', '/audit', 'Audit log'],
  ['Identities', '/regions?tab=identities', 'Identities'],
])('%s: holds the rows in sight, and never loads them all', async (name, path, label) => {
  answers.splice(0);
  const began = performance.now();
  await page.goto(`${api.url}${path}`, { waitUntil: 'commit' });
  const table = page.getByRole('table', { name: label });
  await table.getByRole('row').nth(1).waitFor();
  const firstMs = performance.now() - began;
  await page.evaluate('window.longTasks.length = 0');
  const list = page.getByRole('region', { name: label });
  await list.hover();
  let mostRows = 0;
  for (let turn = 0; turn < 40; turn += 1) {
    await page.mouse.wheel(0, 600);
    // Two frames: what came into sight is drawn, and what left it is gone.
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
    mostRows = Math.max(mostRows, await table.getByRole('row').count());
  }
  const loaded = Number(await table.getAttribute('aria-rowcount'));
  const longTasks = (await page.evaluate('window.longTasks')) as number[];
  const largest = answers.toSorted((a, b) => b.bytes - a.bytes)[0];
  console.info(
    `${name}: first row after ${Math.round(firstMs)} ms; at most ${mostRows} rows in the page, ${loaded} loaded; while scrolling ${
      longTasks.length
    } long tasks${longTasks.length > 0 ? `, the longest ${Math.round(Math.max(...longTasks))} ms` : ''}; largest answer ${Math.round(
      (largest?.bytes ?? 0) / 1_000,
    )} kB`,
  );
  expect(mostRows).toBeLessThanOrEqual(mostRowsInPage);
  expect(loaded).toBeGreaterThan(20);
  expect(loaded).toBeLessThan(mostRowsLoaded);
  expect(largest!.bytes).toBeLessThan(1_000_000);
});

it('the overview and every machine of a region are counted by the server', async () => {
  await page.goto(`${api.url}/machines`);
  await page.getByText(`${machineCount.toLocaleString('en')} machines known`).waitFor();
  const tiles = page.getByRole('button', { name: /^region-3/ });
  expect(await tiles.locator('[aria-hidden] > span').count()).toBe(100);
  await tiles.click();
  await page.waitForURL(/region=region-3/);
  expect(buildCount).toBe(50_000);
});
