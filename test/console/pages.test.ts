import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildConsole } from '@starling/local/build-console.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { bad, good, warn } from '@starling/shared/findings.ts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { looker, sizes } from './look.ts';
import { openBrowser } from './open-browser.ts';
import { adminToken, fillWithACompany, keysOfTheCompany } from './sample-company.ts';

// The pages about what was done and about Starling itself, as people use them, over a company that has released for weeks.

const test = useFreshDatabase();
const problems: string[] = [];
let api: TestApi;
let browser: Browser;
let page: Page;
let look: ReturnType<typeof looker>;

beforeAll(async () => {
  await buildConsole(inheritedEnvironment(), () => {});
  [browser] = await Promise.all([openBrowser(), fillWithACompany(test.database)]);
  api = await startTestApi(test.database, {
    consoleFolder: fileURLToPath(new URL('../../apps/desktop/out/web', import.meta.url)),
    versionKeys: keysOfTheCompany(test.database),
    webhookSecret: 'a secret that webhooks of projects are derived from',
    checks: [
      { name: 'database', fix: '', look: async () => good('database', 'PostgreSQL 18.4 answered in 2 ms') },
      {
        name: 'stores',
        fix: '',
        look: async () => [
          good('main store', 'wrote, read and removed 1 KiB in 14 ms'),
          warn('store of ap-south', 'answered in 2.4 s', 'Look at the network between control and ap-south.'),
        ],
      },
      {
        name: 'hubs',
        fix: '',
        look: async () => bad('hubs of us-east', 'none was heard for 4 min', 'Start a hub in us-east.'),
      },
    ],
  });
  page = await open(adminToken);
  look = looker(page);
});
afterAll(async () => {
  await browser?.close();
  await api?.stop();
});
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

/** A browser of its own, signed in. */
async function open(token: string): Promise<Page> {
  const context = await browser.newContext({ viewport: sizes.large, colorScheme: 'light', reducedMotion: 'reduce' });
  const opened = await context.newPage();
  opened.setDefaultTimeout(30_000);
  opened.on('pageerror', (error) => problems.push(String(error)));
  opened.on('console', (message) => {
    // The first question of a page is who is signed in, and nobody is yet.
    if (message.type() === 'error' && !/status of 401/.test(message.text())) problems.push(message.text());
  });
  await opened.goto(`${api.url}/#sign-in=${token}`);
  await opened.getByRole('heading', { name: 'What runs where' }).waitFor();
  return opened;
}

const go = async (path: string, heading: string | RegExp) => {
  await page.goto(`${api.url}${path}`);
  await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
  await page.getByRole('status', { name: /^Loading/ }).waitFor({ state: 'detached' });
};
const rowOf = (text: string | RegExp) => page.getByRole('row').filter({ hasText: text });

describe('approvals', () => {
  it('say in the sidebar how many wait for me, and let me decide with a reason', async () => {
    await go('/approvals', 'Approvals');
    await page.getByRole('link', { name: /Approvals 2 wait for you/ }).waitFor();
    await look('approvals');
    const wanted = page.getByRole('listitem').filter({ hasText: 'the winter sale' });
    await wanted.getByRole('button', { name: /^Approve/ }).click();
    await page
      .getByRole('dialog')
      .getByLabel(/^Comment/)
      .fill('the sale begins at noon');
    await page.keyboard.press('Enter');
    await page.getByText('“the sale begins at noon”').waitFor();
    await page.getByText('You approved it; it waits for others.').waitFor();
    await page.getByRole('link', { name: /Approvals 1 waits for you/ }).waitFor();
  });

  it('say to those who may not why', async () => {
    const hers = await open('olga-token-of-the-sample-company');
    await hers.getByRole('link', { name: 'Approvals' }).click();
    await hers.getByText('You need the role approver.').first().waitFor();
    await hers
      .getByRole('button', { name: /^Approve/ })
      .first()
      .click({ force: true });
    expect(await hers.getByRole('dialog').count()).toBe(0);
    // What she cannot do anything with is not offered to her.
    expect(await hers.getByRole('link', { name: 'Audit' }).count()).toBe(0);
    await hers.context().close();
  });
});

describe('history', () => {
  it('finds by person, status and SHA, keeps that in the address, and reads on at the end', async () => {
    await go('/history', 'History');
    await look('history');
    const list = page.getByRole('region', { name: 'Past deployments' });
    await list.evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await page.getByText(/^1\d\d deployments$/).waitFor();
    await page.getByLabel('Status').selectOption('FAILED');
    await page.getByLabel('Asked for by').fill('olga');
    await page.waitForURL(/person=olga/);
    await rowOf('olga').first().waitFor();
    await page.reload();
    await rowOf('olga').first().waitFor();
    expect(await list.getByRole('row').filter({ hasText: 'Succeeded' }).count()).toBe(0);
    const [{ sha }] = (await test.database.$client`
      select commit_sha as sha from builds where id = (select build_id from deployments where id = 100)`) as unknown as [
      { sha: string },
    ];
    await page.goto(`${api.url}/history?build=${sha.slice(0, 9)}`);
    await rowOf('deployment 100').waitFor();
  });

  it('is exported as a table', async () => {
    await go('/history?project=shop', 'History');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export as CSV' }).click(),
    ]);
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\r\n');
    expect(lines[0]).toMatch(/^deployment,project,status,/);
    expect(lines.length).toBeGreaterThan(40);
    expect(lines.slice(1).every((line) => line.split(',')[1] === 'shop')).toBe(true);
  });

  it('has trends that say in words what they draw', async () => {
    await go('/history?tab=trends', 'History');
    await page.getByText('Change failure rate').waitFor();
    await page.getByRole('img', { name: 'Deployments by day' }).waitFor();
    const said = page.getByRole('table', { name: 'Deployments by day' });
    expect(await said.getByRole('row').count()).toBeGreaterThanOrEqual(31);
    await look('trends');
    await page.getByRole('img', { name: 'Deployments by day' }).hover({ position: { x: 300, y: 80 } });
    await page.getByText('rolled back later').first().waitFor();
    await page.getByLabel('Time', { exact: true }).selectOption('365d');
    await page.getByRole('img', { name: 'Deployments by week' }).waitFor();
    await page.waitForURL(/period=365d/);
  });
});

describe('audit', () => {
  it('verifies its chain, unfolds what was said, and is exported', async () => {
    await go('/audit', 'Audit');
    await page.getByText(/The log is whole: \d+ rows fit/).waitFor();
    await page.getByLabel(/^What,/).fill('deployment.approve');
    await rowOf('deployment.approve').waitFor();
    await rowOf('deployment.approve')
      .getByRole('button', { name: /^Details/ })
      .click();
    await page.getByText('"comment": "the sale begins at noon"').waitFor();
    await look('audit');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Export as NDJSON' }).click(),
    ]);
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).action)).toEqual(['deployment.approve']);
  });

  it('says from where on it was altered', async () => {
    await test.database.$client.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update audit_log set actor = 'nobody' where id = 200`;
    });
    await go('/audit', 'Audit');
    await page.getByText('The log was altered: it does not fit from row 200 on').waitFor();
    await test.database.$client.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update audit_log set actor = (select requested_by from jobs where id::text = target) where id = 200 and action = 'job.create'`;
      await tx`update audit_log set actor = (select requested_by from deployments where id::text = target) where id = 200 and action = 'deployment.start'`;
    });
    await page.getByRole('button', { name: 'Verify again' }).click();
    await page.getByText(/The log is whole/).waitFor();
  });
});

describe('workers', () => {
  it('are drained and resumed, and jobs that wait are cancelled', async () => {
    await go('/workers', 'Workers and queue');
    await page.getByText('no living worker has gpu=h100').waitFor();
    await look('workers');
    await page.getByRole('button', { name: 'Drain worker-2' }).click();
    await rowOf('worker-2').getByText('Draining').waitFor();
    await page.getByRole('button', { name: 'Resume worker-2' }).click();
    await rowOf('worker-2').getByText('Idle').waitFor();
    const first = page.getByRole('table', { name: 'Jobs that wait' }).getByRole('row').nth(1);
    expect(await first.textContent()).toContain('+10');
    await first.getByRole('button', { name: /^Cancel/ }).click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Cancel the/ })
      .click();
    await page.getByText('6 jobs, the next one first').waitFor();
  });
});
