import { fileURLToPath } from 'node:url';
import { buildConsole } from '@starling/local/build-console.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { good } from '@starling/shared/findings.ts';
import { sql } from 'drizzle-orm';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { looker, sizes } from './look.ts';
import { openBrowser } from './open-browser.ts';

// Every page on its first day, when there is nothing to show, and on its worst, when nothing can be read: each says what to do
// next, and goes on by itself or with a click when things are well again.

const test = useFreshDatabase();
const token = 'a token for the first day';
let api: TestApi;
let browser: Browser;
let page: Page;
let look: ReturnType<typeof looker>;
const thrown: string[] = [];

beforeAll(async () => {
  await buildConsole(inheritedEnvironment(), () => {});
  browser = await openBrowser();
  await grantToken(test.database, 'ada', 'admin', token);
  api = await startTestApi(test.database, {
    consoleFolder: fileURLToPath(new URL('../../apps/desktop/out/web', import.meta.url)),
    versionKeys: { list: async () => [] },
    checks: [{ name: 'database', fix: '', look: async () => good('database', 'PostgreSQL 18.4 answered in 2 ms') }],
  });
  const context = await browser.newContext({ viewport: sizes.large, colorScheme: 'light', reducedMotion: 'reduce' });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => thrown.push(String(error)));
  await page.goto(`${api.url}/#sign-in=${token}`);
  await page.getByRole('heading', { name: 'What runs where' }).waitFor();
  look = looker(page);
});
afterAll(async () => {
  await browser?.close();
  await api?.stop();
});

/** By page: what it says when there is nothing, and what when nothing can be read. */
const pages: [name: string, path: string, empty: string | RegExp, broken: string | RegExp][] = [
  ['overview', '/', 'Your first project', 'The overview could not be read'],
  ['builds', '/builds', 'Nothing was built yet', 'The builds could not be read'],
  ['deployments', '/deployments', 'Nothing was deployed yet', /could not be read/],
  ['machines', '/machines', 'No machine has reported yet', 'The machines could not be read'],
  ['approvals', '/approvals', 'Nothing waits for you', 'What waits could not be read'],
  ['history', '/history', 'Nothing was deployed yet', 'The history could not be read'],
  ['trends', '/history?tab=trends', 'Nothing ended in this time', /could not be read/],
  ['workers', '/workers', 'No worker has come yet', 'The workers could not be read'],
  ['regions', '/regions', 'No region is configured', /could not be read/],
  ['identities', '/regions?tab=identities', 'Nothing was let in yet', /could not be read/],
  ['audit', '/audit', /The log is whole: \d+ row/, /could not be read|not be verified/],
  ['settings-projects', '/settings', 'There is no project yet', /could not be read/],
  ['settings-freezes', '/settings?tab=freezes', 'Nothing is frozen', /could not be read/],
  ['settings-alerts', '/settings?tab=alerts', 'Nobody is told of anything', 'The alerts could not be read'],
];

const open = async (path: string) => {
  await page.goto(`${api.url}${path}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('status', { name: /^Loading/ }).waitFor({ state: 'detached' });
};
const content = () => page.getByRole('region', { name: 'Page content' });

describe('on its first day', () => {
  it.each(pages)('%s says what comes next', async (name, path, empty) => {
    await open(path);
    await content().getByText(empty).first().waitFor();
    await look(`empty-${name}`);
    expect(thrown.splice(0)).toEqual([]);
  });
});

describe('while nothing can be read', () => {
  // Who is signed in is still known; everything else answers with an error.
  const kept = new Set([
    'accounts',
    'role_grants',
    'api_tokens',
    'tokens',
    'grants',
    'sessions',
    'settings',
    'secrets',
  ]);
  const tables: string[] = [];
  beforeAll(async () => {
    const found = await test.database.execute<{ name: string }>(
      sql`select tablename as name from pg_tables where schemaname = 'public'`,
    );
    for (const { name } of found) {
      if (kept.has(name) || /token|grant|session|account/.test(name)) continue;
      await test.database.execute(sql`alter table ${sql.identifier(name)} rename to ${sql.identifier(`${name}_away`)}`);
      tables.push(name);
    }
  });
  const putBack = async () => {
    for (const name of tables.splice(0))
      await test.database.execute(sql`alter table ${sql.identifier(`${name}_away`)} rename to ${sql.identifier(name)}`);
  };
  afterAll(putBack);

  it.each(pages)('%s says so, and what to quote', async (name, path, _empty, broken) => {
    await open(path);
    const alert = page.getByRole('alert').first();
    await alert.getByText(broken).first().waitFor();
    await alert.getByText(/^Request /).waitFor();
    await look(`broken-${name}`);
    expect(thrown.splice(0)).toEqual([]);
  });

  it('goes on with a click when it can be read again', async () => {
    await open('/builds');
    await page.getByRole('alert').first().waitFor();
    await putBack();
    await page.getByRole('button', { name: 'Try again' }).first().click();
    await content().getByText('Nothing was built yet').waitFor();
  });
});
