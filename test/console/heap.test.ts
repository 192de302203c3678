import { fileURLToPath } from 'node:url';
import { buildConsole } from '@starling/local/build-console.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { fillAFleet } from './fill-a-fleet.ts';
import { sizes } from './look.ts';
import { openBrowser } from './open-browser.ts';
import { lapseTime } from './time-lapse.ts';

// An hour of changes in a minute, over 100,000 machines: the page that stays open on somebody's second screen must not grow.

/**
 * Until then a page grows by itself and then hardly any more: the engine compiles what it has run often, and lists reach the
 * size they keep. What is lost for good grows on just as fast, so only what comes after this is judged.
 */
const warmUpRounds = 600;
/** Everything on the page is read anew so many times: every four seconds for an hour. */
const rounds = 900;
const test = useFreshDatabase();
const token = 'a token for an hour';
let api: TestApi;
let browser: Browser;
let page: Page;
let session: CDPSession;

beforeAll(async () => {
  await buildConsole(inheritedEnvironment(), () => {});
  [browser] = await Promise.all([openBrowser(), fillAFleet(test.database)]);
  await grantToken(test.database, 'ada', 'admin', token);
  api = await startTestApi(test.database, {
    consoleFolder: fileURLToPath(new URL('../../apps/desktop/out/web', import.meta.url)),
    versionKeys: { list: async () => [] },
  });
  const context = await browser.newContext({ viewport: sizes.large, reducedMotion: 'reduce' });
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await lapseTime(page);
  session = await context.newCDPSession(page);
  await session.send('Performance.enable');
  await page.goto(`${api.url}/#sign-in=${token}`);
  await page.getByRole('heading', { name: 'What runs where' }).waitFor();
});
afterAll(async () => {
  await browser?.close();
  await api?.stop();
});

const lapse = async (what: 'rounds' | 'reads' | 'signals') => Number(await page.evaluate(`timeLapse.${what}`));

async function until(round: number): Promise<void> {
  await vi.waitFor(async () => expect(await lapse('rounds')).toBeGreaterThanOrEqual(round), {
    timeout: 280_000,
    interval: 100,
  });
}

/** What is still referred to once hardly a request is under way. */
async function held(): Promise<{ bytes: number; listeners: number; nodes: number }> {
  await page.evaluate('timeLapse.isPaused = true');
  await vi.waitFor(async () => expect(await lapse('signals')).toBeLessThan(40), 20_000);
  // What one collection lets go of may be all that held something else.
  for (let turn = 0; turn < 3; turn += 1) await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  const { metrics } = await session.send('Performance.getMetrics');
  const metric = (wanted: string) => metrics.find(({ name }) => name === wanted)!.value;
  await page.evaluate('timeLapse.isPaused = false');
  return { bytes: usedSize, listeners: metric('JSEventListeners'), nodes: metric('Nodes') };
}

it.each([
  ['machines', '/machines', 'Machines'],
  ['the overview', '/', 'What runs where'],
])(
  '%s: an hour of changes leaves less than a tenth behind',
  async (name, path, heading) => {
    await page.goto(`${api.url}${path}`);
    await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
    await until(warmUpRounds);
    const before = await held();
    const readsBefore = await lapse('reads');
    await until(warmUpRounds + rounds);
    const after = await held();
    const reads = (await lapse('reads')) - readsBefore;
    const said = ({ bytes, listeners, nodes }: typeof before) =>
      `${(bytes / 1e6).toFixed(2)} MB, ${listeners} listeners, ${nodes} nodes`;
    console.info(`${name}: ${said(before)}; after ${rounds} rounds with ${reads} answers ${said(after)}`);
    expect(reads).toBeGreaterThanOrEqual(rounds);
    expect(after.bytes).toBeLessThan(before.bytes * 1.1);
    // Small things that are lost one by one show here long before they weigh anything.
    expect(after.listeners).toBeLessThan(before.listeners * 1.1);
    expect(after.nodes).toBeLessThan(before.nodes * 1.1);
  },
  600_000,
);
