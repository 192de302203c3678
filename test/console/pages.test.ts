import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildConsole } from '@starling/local/build-console.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { bad, good, warn } from '@starling/shared/findings.ts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
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
    // The first question of a page is who is signed in, and nobody is yet; and a name that is taken is among what we try.
    if (message.type() === 'error' && !/status of (401|409)/.test(message.text())) problems.push(message.text());
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

describe('a rollout in waves', () => {
  it('that halted itself is found where things wait for people, and goes on from there', async () => {
    await go('/approvals', 'Approvals');
    await page.getByText('Stands still (1)').waitFor();
    await page.getByText('wave 2 of 3').waitFor();
    await page.getByRole('button', { name: /^Resume deployment/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/do not halt it again/).waitFor();
    await dialog.getByLabel(/^Why/).fill('these two have a broken disk');
    await look('resume');
    await page.keyboard.press('Enter');
    await page.getByText(/it goes on, and counts \d+ failed machines? no more/).waitFor();
    await page.getByText('Stands still (1)').waitFor({ state: 'detached' });
  });

  it('says which wave it is in, and is paused and promoted', async () => {
    const [running] = await test.database.$client`select id from deployments where status = 'RUNNING'`;
    await page.goto(`${api.url}/deployments/${running!.id}`);
    await page.getByRole('list').filter({ hasText: 'rack=r0' }).getByText('under way').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(/^Why/).fill('looking at the graphs');
    await page.keyboard.press('Enter');
    await page.getByText('Paused by ada').waitFor();
    await look('deployment-waves');
    expect(await page.getByRole('button', { name: 'Promote' }).getAttribute('title')).toMatch(/stands still/);
    await page.getByRole('button', { name: 'Resume' }).click();
    await dialog.getByRole('button', { name: 'Let it go on' }).click();
    await page.getByText('Paused by ada').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Promote' }).click();
    await dialog.getByText(/Wave 3 of 3 \(everyone\) begins now/).waitFor();
    await dialog.getByRole('button', { name: 'Begin the next wave' }).click();
    await page.getByText(/wave 3 of 3 begins now/).waitFor();
  });

  it('is shown before it begins: which machines, what it waits for, and why it may not', async () => {
    const newest = await api.as(adminToken).builds.versions.query({ project: 'shop' });
    const [good, held] = [
      newest.find(({ quarantined, deployable }) => deployable && !quarantined)!,
      newest.find(({ quarantined }) => quarantined)!,
    ];
    await page.goto(`${api.url}/builds/${encodeURIComponent(good.id)}`);
    await page
      .getByRole('button', { name: /^Deploy/ })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('How it reaches the machines').selectOption('careful');
    await dialog.getByRole('list', { name: 'Waves of this deployment' }).getByText('bakes 10 min').first().waitFor();
    await dialog.getByText('It takes 20 min at least.').waitFor();
    await dialog
      .getByText(/--wave 1%\/10m --wave 10%\/10m/)
      .first()
      .waitFor();
    await dialog.getByRole('list', { name: 'What it has to pass' }).getByText('0 of 1 approvals').waitFor();
    await look('deploy-waves');
    await page.keyboard.press('Escape');

    await page.goto(`${api.url}/builds/${encodeURIComponent(held.id)}`);
    await page.getByText('In quarantine:', { exact: true }).waitFor();
    expect(await page.getByRole('button', { name: 'Deploy', exact: true }).getAttribute('aria-disabled')).toBe('true');
    await look('build-quarantined');
    await page.getByRole('button', { name: 'Lift the quarantine' }).click();
    await dialog.getByLabel(/^Why/).fill('the gateway was it');
    await page.keyboard.press('Enter');
    await page.getByText('In quarantine:', { exact: true }).waitFor({ state: 'detached' });
  });

  it('stands still while the line is stopped, and every page says so', async () => {
    await go('/projects/search', 'search');
    await page.getByRole('button', { name: 'Stop the line' }).click();
    await page.getByRole('dialog').getByLabel(/^Why/).fill('errors at the till');
    await page.keyboard.press('Enter');
    await page.getByText('The line of search is stopped').waitFor();
    await go('/', 'What runs where');
    await look('line-stopped');
    await page.getByRole('button', { name: 'Start the line of search' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Start the line' }).click();
    await page.getByText('The line of search is stopped').waitFor({ state: 'detached' });
  });
});

describe('history', () => {
  it('finds by person, status and SHA, keeps that in the address, and reads on at the end', async () => {
    await go('/history', 'History');
    await look('history');
    const list = page.getByRole('region', { name: 'Deployments, newest first' });
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
    await page.getByText(/took \S+ × as long as was\s+foretold/).waitFor();
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
  it('are drained and resumed, and jobs that wait are moved and cancelled', async () => {
    await go('/workers', 'Workers and queue');
    await page.getByText('no living worker has gpu=h100').waitFor();
    await look('workers');
    await page.getByRole('button', { name: 'Drain worker-2' }).click();
    await rowOf('worker-2').getByText('Draining').waitFor();
    await page.getByRole('button', { name: 'Resume worker-2' }).click();
    await rowOf('worker-2').getByText('Idle').waitFor();
    const first = page.getByRole('table', { name: 'Jobs that wait' }).getByRole('row').nth(1);
    expect(await first.textContent()).toContain('+10');
    await page
      .getByRole('button', { name: /change the priority of job/ })
      .last()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Before all others' }).click();
    await look('prioritise');
    await page.keyboard.press('Escape');
    await page
      .getByRole('button', { name: /change the priority of job/ })
      .last()
      .click();
    await dialog.getByLabel('Priority').fill('11');
    await page.keyboard.press('Enter');
    await first.getByText('+11').waitFor();
    await first.getByRole('button', { name: /^Cancel/ }).click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Cancel the/ })
      .click();
    await page.getByText('6 jobs, the next one first').waitFor();
  });
});

describe('regions', () => {
  it('show hubs, stores, keys and leaders, and which key store is away', async () => {
    await go('/regions', 'Regions');
    await page.getByText(/etcd of ap-south does not answer/).waitFor();
    await page.getByText('lacks 1 build').waitFor();
    await rowOf('synchronizer').getByText('led').waitFor();
    await look('regions');
  });

  it('let one in with a token that is shown once, and shut one out by its name', async () => {
    await go('/regions?tab=identities', 'Regions');
    await page.getByRole('button', { name: 'Let one in' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('radio', { name: /hub/i }).check();
    await dialog.getByLabel('Region', { exact: true }).selectOption('us-east');
    await dialog.getByText('starling enrol hub --region us-east').first().waitFor();
    await look('invite');
    await dialog.getByRole('button', { name: 'Make the token' }).click();
    await dialog.getByText('The token is shown this once.').waitFor();
    const shown = await dialog.locator('code').first().textContent();
    expect(shown).toMatch(/^stl_/);
    await dialog.getByRole('button', { name: 'I have copied it' }).click();
    await page.getByRole('table', { name: 'Open enrolment tokens' }).getByText('1 more in us-east').waitFor();
    expect(await page.content()).not.toContain(shown);
    await look('identities');
    await page.getByRole('button', { name: /^Withdraw/ }).click();
    await page.getByRole('table', { name: 'Open enrolment tokens' }).waitFor({ state: 'detached' });

    await page.getByLabel('Kind').selectOption('agent');
    await page.waitForURL(/kind=agent/);
    await page.getByRole('button', { name: 'Revoke eu-west-1', exact: true }).click();
    const deed = dialog.getByRole('button', { name: 'Shut it out' });
    expect(await deed.getAttribute('aria-disabled')).toBe('true');
    await dialog.getByLabel(/to confirm/).fill('eu-west-1');
    await deed.click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByLabel('State').selectOption('revoked');
    await rowOf('eu-west-1').getByText('Shut out').waitFor();
    await page.getByText('2 identities', { exact: true }).waitFor();
    expect(await page.getByRole('table', { name: 'Identities' }).getByRole('row').count()).toBe(3);
  });
});

describe('settings', () => {
  it('of a project say at the field what is wrong, and are saved as they are written', async () => {
    await go('/settings?project=shop', 'Settings');
    await page.getByLabel('People needed').waitFor();
    await look('settings-project');
    await page.getByLabel('Builds younger than').fill('a while');
    await page.getByText(/expected a duration such as "10s"/).waitFor();
    const save = page.getByRole('button', { name: 'Save the settings' });
    expect(await save.getAttribute('aria-disabled')).toBe('true');
    await page.getByLabel('Builds younger than').fill('30d');
    await page.getByLabel('People needed').fill('2');
    await page.getByRole('button', { name: 'Command before' }).click();
    await page.getByLabel('1. Name').fill('migrate');
    await page.getByText('1 field needs another look.').waitFor();
    await look('settings-changed');
    await page.getByLabel('Which checks').selectOption('here');
    await page.getByRole('button', { name: 'Prometheus check' }).click();
    await page.getByLabel('1. Prometheus: name').fill('errors');
    await page.getByLabel('Query').fill('sum(rate(errors[5m]))');
    await page.getByLabel('Well where').fill('few');
    await page.getByText(/expected a comparison with a number/).waitFor();
    await page.getByLabel('Well where').fill('< 0.01');
    await page.getByRole('button', { name: 'Add hours' }).click();
    await page.getByLabel('Machines with these labels').fill('role=till');
    await page.getByLabel('Machines with these labels').scrollIntoViewIfNeeded();
    await look('settings-checks');
    await page.getByLabel('Command', { exact: true }).fill('./migrate --all');
    await save.click();
    await page.getByText('Nothing is changed.', { exact: true }).waitFor();
    const { written } = await api.as(adminToken).projects.settings.query({ project: 'shop' });
    expect(written).toMatchObject({
      approvals: { needed: 2 },
      retention: { keepFor: '30d' },
      tasks: { before: [{ name: 'migrate', command: './migrate --all' }] },
      rollout: { analysis: [{ name: 'errors', prometheus: 'sum(rate(errors[5m]))', condition: '< 0.01' }] },
      maintenance: [{ labels: { role: 'till' }, windows: [{ days: ['sat', 'sun'], from: '22:00', to: '04:00' }] }],
    });
    expect(written).not.toHaveProperty('builds');
    await page.reload();
    expect(await page.getByLabel('1. Name').inputValue()).toBe('migrate');
    await page.getByRole('button', { name: 'Show the secret' }).click();
    await page.getByText('/webhooks/github/shop').waitFor();
  });

  it('freeze deployments every week, and lift that', async () => {
    await go('/settings?tab=freezes', 'Settings');
    await page.getByRole('button', { name: 'Freeze deployments' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(/^Why/).fill('the late shift');
    await dialog.getByRole('radio', { name: /Every week/ }).check();
    await dialog.getByLabel('From', { exact: true }).fill('25:00');
    await dialog.getByText('must be a time such as "18:00"').waitFor();
    await dialog.getByLabel('From', { exact: true }).fill('22:00');
    await look('freeze');
    await dialog.getByRole('button', { name: 'Freeze', exact: true }).click();
    await rowOf('the late shift')
      .getByText(/every fri, sat from 22:00 to 08:00/)
      .waitFor();
    await look('settings-freezes');
    await rowOf('the late shift').getByRole('button', { name: /^Lift/ }).click();
    await rowOf('the late shift').waitFor({ state: 'detached' });
  });

  it('say who is told of what, and add a channel whose address is not shown again', async () => {
    await go('/settings?tab=alerts', 'Settings');
    await page.getByText(/were given up:/).waitFor();
    await look('settings-alerts');
    await page.getByRole('button', { name: 'Add a channel' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('chat');
    await dialog.getByRole('radio', { name: /Slack/ }).check();
    await dialog.getByLabel('Address').fill('https://chat.example.org/hook/secret-path');
    await dialog.getByRole('button', { name: 'Save the channel' }).click();
    await rowOf('chat.example.org').waitFor();
    expect(await page.content()).not.toContain('secret-path');
    await page.getByRole('button', { name: 'Test chat' }).click();
    await page.getByText('A word through chat arrived.').waitFor();
  });

  it('give people roles and take them away', async () => {
    await go('/settings?tab=people', 'Settings');
    await page.getByRole('button', { name: 'Add a person' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('olga');
    await dialog.getByLabel('First password').fill('four herons over the weir');
    await page.keyboard.press('Enter');
    await dialog.getByText('There is an account "olga" already.').first().waitFor();
    await dialog.getByLabel('Name', { exact: true }).fill('nora');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Give a role to nora' }).click();
    await dialog.getByRole('radio', { name: /^approver/i }).check();
    await dialog.getByLabel('Project').selectOption('ledger');
    await dialog.getByRole('button', { name: 'Give the role' }).click();
    await rowOf('nora').getByText('approver in ledger').waitFor();
    await look('settings-people');
    await page.getByRole('button', { name: 'Take approver in ledger from nora' }).click();
    await rowOf('nora').getByText('approver in ledger').waitFor({ state: 'detached' });
    const shutOut = rowOf('nora').getByRole('button', { name: /hut out/ });
    await shutOut.click();
    await shutOut.click();
    await rowOf('nora').getByText('Shut out', { exact: true }).first().waitFor();
  });

  it('make a token that is shown once', async () => {
    await go('/settings?tab=tokens', 'Settings');
    await page.getByRole('button', { name: 'Make a token' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('What it is for').fill('a script');
    await dialog.getByLabel('What it may do').selectOption('viewer');
    await dialog.getByRole('button', { name: 'Make the token' }).click();
    await dialog.getByText('The token is shown this once.').waitFor();
    const secret = (await dialog.locator('code').first().textContent())!;
    expect(await api.as(secret).session.whoAmI.query()).toMatchObject({ grants: [{ role: 'viewer' }] });
    await dialog.getByRole('button', { name: 'I have copied it' }).click();
    await rowOf('a script').getByText('at most viewer').waitFor();
    await look('settings-you');
    await go('/settings?tab=retention', 'Settings');
    await look('settings-retention');
  });
});

describe('with the keyboard alone', () => {
  const isInDialog = `(() => {
    const [active, dialog] = [document.activeElement, document.querySelector('[role=dialog]')];
    return dialog.contains(active) && active !== dialog && !active.hasAttribute('data-base-ui-focus-guard');
  })()`;
  it.each([
    ['/', 'What runs where', 'Add a project'],
    ['/projects/shop', 'shop', /^Build$/],
    ['/projects/shop', 'shop', /^Roll back/],
    ['/projects/shop', 'shop', 'Stop the line'],
    ['/projects/search', 'search', /^Deploy \w{7}$/],
    ['/workers', 'Workers and queue', /change the priority of job/],
    ['/workers', 'Workers and queue', /^Cancel job/],
    ['/regions', 'Regions', 'Let one in'],
    ['/settings?tab=freezes', 'Settings', 'Freeze deployments'],
    ['/settings?tab=alerts', 'Settings', 'Add a channel'],
    ['/settings?tab=people', 'Settings', 'Add a person'],
    ['/settings?tab=tokens', 'Settings', 'Make a token'],
  ])('on %s (%s), %s opens a dialog that keeps the focus, shows it, and gives it back', async (path, heading, name) => {
    await go(path, heading);
    const opener = page.getByRole('button', { name }).first();
    await opener.focus();
    expect(await opener.getAttribute('aria-disabled'), 'it can be pressed').toBe(null);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await vi.waitFor(async () => expect(await page.evaluate(isInDialog)).toBe(true), 5_000);
    const visited = new Set<string>();
    for (let turn = 0; turn < 30; turn += 1) {
      await page.keyboard.press('Tab');
      // From the last thing to the first it goes by way of a guard, which passes it on.
      await vi.waitFor(async () => expect(await page.evaluate(isInDialog)).toBe(true), 5_000);
      const at = (await page.evaluate(`(() => {
        const hasOutline = (element) => getComputedStyle(element).outlineStyle !== 'none';
        const active = document.activeElement;
        return { shown: hasOutline(active) || hasOutline(active.parentElement), what: active.outerHTML.slice(0, 160) };
      })()`)) as { shown: boolean; what: string };
      expect(at).toEqual({ ...at, shown: true });
      visited.add(at.what);
    }
    expect(visited.size).toBeGreaterThan(2);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await vi.waitFor(async () => expect(await opener.evaluate((button) => button.matches(':focus'))).toBe(true), 5_000);
  });
});

describe('the doctor', () => {
  it('says first what is bad, and what to do about it', async () => {
    await go('/doctor', 'Doctor');
    expect(await page.getByRole('row').nth(1).textContent()).toContain('hubs of us-east');
    await page.getByText('Start a hub in us-east.').waitFor();
    await look('doctor');
  });
});

describe('the design', () => {
  it('shows each component in both themes', async () => {
    await page.goto(`${api.url}/design`);
    await page.getByRole('heading', { name: 'Design' }).waitFor();
    await page.getByRole('img', { name: 'Deployments of two weeks' }).waitFor();
    await look('design');
  });

  it('asks who one is, and says it plainly when that is not so', async () => {
    const context = await browser.newContext({ viewport: sizes.large, reducedMotion: 'reduce' });
    const stranger = await context.newPage();
    await stranger.goto(api.url);
    await stranger.getByLabel('Name').waitFor();
    await looker(stranger)('sign-in');
    await context.close();
  });

  it('of a build and of a machine says where it is and what it runs', async () => {
    const [build] = await api.as(adminToken).builds.list.query({ project: 'shop', limit: 1 });
    await page.goto(`${api.url}/builds/${encodeURIComponent(build!.id)}`);
    await page.getByText('Where it came from').waitFor();
    await look('busy-build');
    const [running] = await api.as(adminToken).jobs.list.query({ status: 'RUNNING' });
    await page.goto(`${api.url}/jobs/${running!.id}`);
    await page.getByText('1,204 of 3,118').waitFor();
    await look('busy-job');
    await go('/projects/shop', 'shop');
    await page.getByRole('button', { name: /^Roll back/ }).click();
    await page.getByRole('dialog').getByText('last good').waitFor();
    await look('rollback-picker');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('roll');
    await look('busy-palette');
    await page.keyboard.press('Escape');
  });

  it.each([
    ['busy-overview', '/', 'What runs where'],
    ['busy-project', '/projects/shop', 'shop'],
    ['busy-builds', '/builds', 'Builds'],
    ['busy-deployments', '/deployments', 'Deployments'],
    ['busy-machines', '/machines', 'Machines'],
    ['busy-machine', '/machines/us-east-4', 'us-east-4'],
  ])('%s is as legible with weeks behind it', async (name, path, heading) => {
    await go(path, heading);
    await look(name);
  });
});
