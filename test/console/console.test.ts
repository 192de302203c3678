import { join } from 'node:path';
import { connectApi } from '@starling/local/api-client.ts';
import { buildConsole } from '@starling/local/build-console.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { makeSampleRepository } from '@starling/local/sample-repository.ts';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  built,
  everywhere,
  type StarlingUnderTest,
  settled,
  startUnderTest,
  succeeded,
} from '../system/starling-under-test.ts';
import { looker, sizes } from './look.ts';
import { openBrowser } from './open-browser.ts';

// The console in a real Chromium, against a whole Starling of twelve machines: the sample service from its first deployment
// to the rollback, by mouse and by keyboard. Screenshots go to test/results/, in both themes and two sizes.

let starling: StarlingUnderTest;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const problems: string[] = [];
const builds: string[] = [];
let look: ReturnType<typeof looker>;

beforeAll(async () => {
  await buildConsole(inheritedEnvironment(), () => {});
  [starling, browser] = await Promise.all([startUnderTest(), openBrowser()]);
  context = await browser.newContext({ viewport: sizes.large, colorScheme: 'light', reducedMotion: 'reduce' });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  look = looker(page);
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    // A refused sign-in and a repository that is not there are among the things we try.
    if (message.type() === 'error' && !/status of (401|503)/.test(message.text())) problems.push(message.text());
  });
});
afterAll(async () => {
  await browser?.close();
  await starling?.discard();
});
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

const open = (path: string) => page.goto(`${starling.url}${path}`);

describe('the console', () => {
  it('lets nobody in without a token, says so, and in with the link that npm start prints', async () => {
    await open('/');
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('The name or the password is wrong.').waitFor();
    await look('sign-in-refused');
    await page.getByRole('button', { name: 'Use a token instead' }).click();
    await page.getByLabel('Token').fill('stl_wrong');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText(/not known here/).waitFor();
    await open(`/#sign-in=${starling.token}`);
    await page.getByRole('heading', { name: 'What runs where' }).waitFor();
    expect(page.url()).not.toContain('sign-in');
    expect(await page.evaluate('document.cookie')).toBe('');
    await look('empty');
  });

  it('adds a project and builds a commit, with its log as it is written', async () => {
    const repository = join(starling.data, 'hello');
    await makeSampleRepository(repository, process.env.PATH ?? '');
    await page
      .getByRole('button', { name: /Add a project/ })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Repository').fill(join(starling.data, 'nowhere'));
    await dialog.getByLabel('Name').fill('hello');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').waitFor();
    await dialog.getByLabel('Repository').fill(repository);
    await dialog.getByLabel('Name').fill('hello');
    await dialog.getByLabel('Branch to build by default').fill('main');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/projects\/hello/);

    await page
      .getByRole('button', { name: /^Build/ })
      .first()
      .click();
    await page.getByRole('dialog').getByLabel('Branch, tag or commit').fill('v1');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/jobs\/\d+/);
    await page.getByText('computing the table (12 MiB)').waitFor();
    await page
      .getByText(/Built|Succeeded/)
      .first()
      .waitFor();
    await look('job');
    for (const tag of ['v1', 'v2', 'v3']) builds.push(await built(starling, 'hello', tag));
  });

  it('keeps Deploy shut while a region is missing, says which, and opens it by itself', async () => {
    const { default: postgres } = await import('postgres');
    const sql = postgres({
      host: new URL(starling.databaseUrl).searchParams.get('host')!,
      user: 'starling',
      database: 'starling',
      max: 1,
    });
    await sql`update replicas set status = 'COPYING', bytes_done = bytes_total / 2, next_attempt_at = now() + interval '1 day' where build_id = ${builds[0]!} and region = 'us-east'`;
    await open(`/builds/${encodeURIComponent(builds[0]!)}`);
    const deploy = page.getByRole('button', { name: /^Deploy/ }).first();
    await page
      .getByText(/us-east/)
      .first()
      .waitFor();
    expect(await deploy.getAttribute('aria-disabled')).toBe('true');
    await look('build-waiting');
    await sql`update replicas set status = 'REPLICATED', bytes_done = bytes_total where build_id = ${builds[0]!}`;
    await sql`select pg_notify('starling_changes', 'replicas')`;
    await sql.end();
    await page.waitForFunction(
      (button) => button?.getAttribute('aria-disabled') !== 'true',
      await deploy.elementHandle(),
    );
    await look('build');
  });

  it('deploys, and shows what machines confirm until the end', async () => {
    await page
      .getByRole('button', { name: /^Deploy/ })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(`starling deploy hello ${builds[0]}`).first().waitFor();
    await look('deploy-dialog');
    await dialog.getByLabel(/^Why/).fill('the first one');
    await dialog.getByRole('button', { name: /^Deploy/ }).click();
    await page.waitForURL(/\/deployments\/\d+/);
    await succeeded(starling, Number(page.url().match(/\d+$/)?.[0]), 90_000);
    await page.getByText('12 machines run it').first().waitFor();
    await look('deployment');
    await everywhere(starling, 'hello', builds[0]!);
  });

  it('shows a build that is never healthy failing, and why, one click from the machine', async () => {
    const { id } = await starling.api.deployments.deploy.mutate({
      project: 'hello',
      build: builds[2]!,
      reason: 'try the new table',
    });
    await open(`/deployments/${id}`);
    expect(await settled(starling, id)).toMatchObject({ status: 'FAILED' });
    await page
      .getByText(/12 of 12 machines that answered failed/)
      .first()
      .waitFor();
    await page
      .getByRole('button', { name: /Reason/ })
      .first()
      .click();
    await page.getByText('the table data/tables.bin is missing').first().waitFor();
    await look('deployment-failed');
  });

  it('rolls back with the picker, by keyboard alone', async () => {
    const { id } = await starling.api.deployments.deploy.mutate({ project: 'hello', build: builds[1]! });
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
    await open('/projects/hello');
    await page.getByRole('heading', { name: 'hello' }).waitFor();
    await page.getByText('Greet more warmly').first().waitFor();
    await page.keyboard.press('r');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('last good').waitFor();
    await look('rollback-picker-hello');
    // The last good version is chosen already: Enter takes it, the reason is asked, and Enter does it.
    await page.keyboard.press('Enter');
    await dialog.getByLabel(/^Why/).waitFor();
    await page.keyboard.type('slower than before');
    await look('rollback-confirm');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/deployments\/\d+/);
    await page.getByText('12 machines run it').first().waitFor({ timeout: 90_000 });
    await everywhere(starling, 'hello', builds[0]!);
    const [newest] = await starling.api.deployments.list.query({ project: 'hello', limit: 1 });
    expect(newest).toMatchObject({ kind: 'ROLLBACK', reason: 'slower than before', buildId: builds[0] });
  });

  it('asks for approval of what somebody else wants to deploy, and lets it begin', async () => {
    const { api, url } = starling;
    const password = 'three herons over the weir';
    await api.accounts.add.mutate({ name: 'olga', password });
    await api.accounts.grant.mutate({ name: 'olga', role: 'deployer', project: 'hello' });
    await api.projects.configure.mutate({ project: 'hello', settings: { approvals: { needed: 1 } } });
    const signedIn = await fetch(`${url}/session/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'olga', password, for: 'a test' }),
    });
    const { token } = (await signedIn.json()) as { token: string };
    // The rollback left it in quarantine.
    await api.quarantines.lift.mutate({ id: builds[1]!, reason: 'it was the weather' });
    const { id } = await connectApi(url, token).deployments.deploy.mutate({
      project: 'hello',
      build: builds[1]!,
      reason: 'the warm greeting again',
    });
    await open(`/deployments/${id}`);
    await page.getByText('Waits for its gates').waitFor();
    await look('deployment-waiting');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page
      .getByRole('dialog')
      .getByLabel(/^Comment/)
      .fill('read it, fine');
    await look('approve');
    await page.keyboard.press('Enter');
    await page.getByText('“read it, fine”').waitFor();
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
    await page.getByText('12 machines run it').first().waitFor();
    await look('deployment-approved');
    await api.projects.configure.mutate({ project: 'hello', settings: { approvals: { needed: 0 } } });
  });

  it.each([
    ['overview', '/', /What runs where/],
    ['project', '/projects/hello', /hello/],
    ['builds', '/builds', /Builds/],
    ['deployments', '/deployments', /Deployments/],
    ['machines', '/machines', /Machines/],
    ['machine', '/machines/eu-west-1', /eu-west-1/],
  ])('shows %s, busy, in both themes and sizes', async (name, path, heading) => {
    await open(path);
    await page.getByRole('heading', { name: heading }).first().waitFor();
    await page.getByRole('status', { name: /^Loading/ }).waitFor({ state: 'detached' });
    await look(name);
  });

  it('finds and goes anywhere from the palette', async () => {
    await page.keyboard.press('Control+k');
    await page.keyboard.type('machines');
    await look('palette');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/machines/);
  });

  it('says that it is stale while control is away, changes nothing meanwhile, and catches up', async () => {
    await open('/projects/hello');
    await page.getByText('Say hello').first().waitFor();
    const control = starling.children.get('control')!;
    const gone = page.getByText(/stale/i).first();
    await context.setOffline(true);
    await control.crash();
    await gone.waitFor({ timeout: 60_000 });
    await look('stale');
    await control.ready();
    await context.setOffline(false);
    await gone.waitFor({ state: 'detached', timeout: 60_000 });
    // What the browser says of requests that failed meanwhile.
    problems.splice(0);
  });
});
