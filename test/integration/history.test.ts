import { grantToken } from '@starling/server/accounts/tokens.ts';
import type { DeploymentKind, DeploymentStatus } from '@starling/shared/words.ts';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, deployments, jobStageTimes, jobs, replicas } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addProject, addRegions, forecastOf, someSha } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
let api: TestApi;
const as = (token: string) => api.as(token);
const admin = () => as('admin-token');

beforeAll(async () => {
  await addRegions(test.database, ['eu']);
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  await grantToken(test.database, 'nobody', 'viewer', 'nobody-token');
  await test.database.execute(sql`
    update role_grants set project = 'seen' where account = (select id from accounts where name = 'vera')`);
  await test.database.execute(sql`
    delete from role_grants where account = (select id from accounts where name = 'nobody')`);
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());

/** A moment on a day of January 2026, as `14 10:30`. */
const at = (text: string) => new Date(`2026-01-${text.replace(' ', 'T')}:00Z`);
const minutes = (count: number) => count * 60_000;
const hours = (count: number) => minutes(count * 60);

async function build(project: string, committed: string, built: string): Promise<string> {
  await addProject(test.database, project);
  const commitSha = someSha();
  const [job] = await test.database
    .insert(jobs)
    .values({
      project,
      commitSha,
      requestedRef: 'main',
      requestedBy: 'ada',
      repositoryUrl: '/r',
      binaryName: project,
      status: 'SUCCEEDED',
      attempts: 1,
      maxAttempts: 3,
      deadlineMs: 1,
      createdAt: at(built),
      startedAt: new Date(at(built).getTime() + 2_000),
      finishedAt: new Date(at(built).getTime() + 62_000),
    })
    .returning();
  const id = `${project}@${commitSha.slice(0, 12)}`;
  await test.database.insert(builds).values({
    id,
    project,
    commitSha,
    jobId: job!.id,
    commitAuthor: 'Ada',
    commitSubject: 'Change',
    committedAt: at(committed),
    manifestDigest: '',
    manifestBytes: 1,
    packDigest: '',
    packBytes: 1,
    streamBytes: 1,
    newBytes: 1,
    chunkCount: 1,
    newChunkCount: 1,
    patchBytes: 0,
    fileCount: 1,
    createdAt: at(built),
  });
  return id;
}

interface Deployed {
  kind?: DeploymentKind;
  status?: DeploymentStatus;
  by?: string;
  begun: string;
  ended?: string;
  /** In minutes; what it took is measured then too. */
  foretold?: number;
  isResumed?: boolean;
}

async function deployed(
  buildId: string,
  { kind = 'DEPLOY', status = 'SUCCEEDED', by = 'ada', begun, ended, foretold, isResumed = false }: Deployed,
) {
  const [row] = await test.database
    .insert(deployments)
    .values({
      project: buildId.split('@')[0]!,
      buildId,
      kind,
      status,
      requestedBy: by,
      reason: 'because',
      salt: 's',
      createdAt: at(begun),
      startedAt: status === 'WAITING' ? null : at(begun),
      finishedAt: ended === undefined ? null : at(ended),
      resumedAt: isResumed ? at(begun) : null,
      ...(ended !== undefined &&
        foretold !== undefined && {
          forecast: forecastOf(minutes(foretold)),
          measured: { totalMs: at(ended).getTime() - at(begun).getTime(), sources: null, installMs: null, regions: [] },
        }),
    })
    .returning();
  return row!.id;
}

describe('history', () => {
  const ids: Record<string, number> = {};
  let seen: string;
  beforeAll(async () => {
    seen = await build('seen', '01 08:00', '01 09:00');
    const hidden = await build('hidden', '01 08:00', '01 09:00');
    ids.first = await deployed(seen, { begun: '02 10:00', ended: '02 10:05' });
    ids.hidden = await deployed(hidden, { begun: '03 10:00', ended: '03 10:05', by: 'bob' });
    ids.failed = await deployed(seen, { begun: '04 10:00', ended: '04 10:07', status: 'FAILED', by: 'bob' });
    ids.back = await deployed(seen, { begun: '05 10:00', ended: '05 10:01', kind: 'ROLLBACK' });
    ids.waits = await deployed(seen, { begun: '06 10:00', status: 'WAITING' });
  });
  const list = async (
    filter: Parameters<ReturnType<typeof admin>['history']['list']['query']>[0],
    token = 'admin-token',
  ) => {
    const rows = await as(token).history.list.query(filter);
    return rows.map(({ id }) => Object.keys(ids).find((name) => ids[name] === id) ?? String(id));
  };

  it('says who deployed what, when, why and how it ended, newest first', async () => {
    expect(await list({})).toEqual(['waits', 'back', 'failed', 'hidden', 'first']);
    const rows = await admin().history.list.query({ project: 'seen' });
    expect(rows[1]).toMatchObject({
      project: 'seen',
      buildId: seen,
      kind: 'ROLLBACK',
      status: 'SUCCEEDED',
      requestedBy: 'ada',
      reason: 'because',
      commitSubject: 'Change',
      tookMs: minutes(1),
    });
    expect(rows[0]).toMatchObject({ status: 'WAITING', tookMs: null, startedAt: null });
  });

  it('filters by project, build, SHA, person, kind, status and time, alone and together', async () => {
    expect(await list({ project: 'hidden' })).toEqual(['hidden']);
    expect(await list({ build: seen })).toEqual(['waits', 'back', 'failed', 'first']);
    const sha = (await admin().history.list.query({ project: 'seen', limit: 1 }))[0]!.commitSha;
    for (const digits of [sha, sha.slice(0, 9)]) {
      expect(await list({ build: digits })).toEqual(['waits', 'back', 'failed', 'first']);
      expect(await list({ build: digits, project: 'hidden' })).toEqual([]);
    }
    expect(await list({ build: 'ffffffffffff' })).toEqual([]);
    expect(await list({ person: 'bob' })).toEqual(['failed', 'hidden']);
    expect(await list({ kind: 'ROLLBACK' })).toEqual(['back']);
    expect(await list({ status: 'FAILED' })).toEqual(['failed']);
    expect(await list({ from: at('03 10:00').toISOString() })).toEqual(['waits', 'back', 'failed', 'hidden']);
    expect(await list({ to: at('03 10:00').toISOString() })).toEqual(['hidden', 'first']);
    const month = { from: at('03 00:00').toISOString(), to: at('05 00:00').toISOString() };
    expect(await list(month)).toEqual(['failed', 'hidden']);
    expect(await list({ ...month, project: 'seen', person: 'bob', status: 'FAILED' })).toEqual(['failed']);
    expect(await list({ from: at('20 00:00').toISOString() })).toEqual([]);
    expect(await list({ to: at('01 00:00').toISOString() })).toEqual([]);
  });

  it('finds those of a period whose numbers and times disagree, as when transactions overtake each other', async () => {
    // Asked for first, written last.
    const overtaken = await deployed(seen, { begun: '06 09:58', ended: '06 09:59' });
    const found = await admin().history.list.query({ project: 'seen', to: at('06 09:59').toISOString() });
    expect(found.map(({ id }) => id)).toContain(overtaken);
    const since = await admin().history.list.query({ project: 'seen', from: at('06 09:57').toISOString() });
    expect(since.map(({ id }) => id)).toEqual(expect.arrayContaining([overtaken, ids.waits!]));
    await test.database.delete(deployments).where(eq(deployments.id, overtaken));
  });

  it('keeps its pages while new ones are added', async () => {
    const pageAfter = (before?: number) =>
      admin().history.list.query({ project: 'seen', limit: 2, ...(before !== undefined && { before }) });
    const first = await pageAfter();
    const added = await deployed(seen, { begun: '07 10:00', ended: '07 10:01' });
    const second = await pageAfter(first.at(-1)!.id);
    expect([...first, ...second].map(({ id }) => id)).toEqual([ids.waits, ids.back, ids.failed, ids.first]);
    expect(await pageAfter(second.at(-1)!.id)).toEqual([]);
    await test.database.delete(deployments).where(eq(deployments.id, added));
  });

  it('shows what the caller may see, and says no to what they may not', async () => {
    expect(await list({}, 'viewer-token')).toEqual(['waits', 'back', 'failed', 'first']);
    expect(await list({ person: 'bob' }, 'viewer-token')).toEqual(['failed']);
    await expect(list({ project: 'hidden' }, 'viewer-token')).rejects.toThrow(/view/);
    await expect(list({}, 'nobody-token')).rejects.toThrow(/view/);
    await expect(list({}, 'wrong')).rejects.toThrow(/not signed in/);
    const { buckets } = await as('viewer-token').history.trends.query({
      from: at('01 00:00').toISOString(),
      to: at('10 00:00').toISOString(),
    });
    expect(buckets.map(({ succeeded }) => succeeded)).toEqual([0, 1, 0, 0, 1, 0, 0, 0, 0]);
    await expect(as('viewer-token').history.trends.query({ project: 'hidden' })).rejects.toThrow(/view/);
  });

  it('shows somebody with several projects the newest of them all', async () => {
    await build('also-seen', '01 08:00', '01 09:00').then((id) =>
      deployed(id, { begun: '04 12:00', ended: '04 12:01' }),
    );
    await test.database.execute(sql`insert into role_grants (account, project, role, granted_by)
      select id, project, 'viewer', 'ada' from accounts, unnest(array['also-seen', 'gone']) project where name = 'vera'`);
    const rows = async (input: object) =>
      (await as('viewer-token').history.list.query(input)).map(({ project }) => project);
    expect(await rows({})).toEqual(['also-seen', 'seen', 'seen', 'seen', 'seen']);
    expect(await rows({ limit: 2 })).toEqual(['also-seen', 'seen']);
    expect(await rows({ status: 'SUCCEEDED', person: 'ada' })).toEqual(['also-seen', 'seen', 'seen']);
    const jobsSeen = await as('viewer-token').jobs.list.query({});
    expect(new Set(jobsSeen.map(({ project }) => project))).toEqual(new Set(['seen', 'also-seen']));
    expect(await as('viewer-token').jobs.list.query({ project: 'hidden' })).toEqual([]);
    const deploymentsSeen = await as('viewer-token').deployments.list.query({ limit: 3 });
    expect(deploymentsSeen.map(({ project }) => project)).toEqual(['also-seen', 'seen', 'seen']);
  });
});

describe('builds, page by page', () => {
  it('keep their order when several were made at once, and their pages when one is added', async () => {
    const made: string[] = [];
    for (const built of ['10 09:00', '10 10:00', '10 10:00', '10 10:00', '10 11:00']) {
      made.push(await build('paged', '10 08:00', built));
    }
    const expected = [made[4]!, ...made.slice(1, 4).toSorted().toReversed(), made[0]!];
    const found: string[] = [];
    for (let before: string | undefined; ; ) {
      const page = await admin().builds.list.query({ project: 'paged', limit: 2, ...(before && { before }) });
      if (page.length === 0) break;
      found.push(...page.map(({ id }) => id));
      before = page.at(-1)!.id;
      if (found.length === 2) await build('paged', '10 08:00', '10 12:00');
    }
    expect(found).toEqual(expected);
    const of = await as('viewer-token').builds.list.query({ limit: 200 });
    expect(new Set(of.map(({ project }) => project))).toEqual(new Set(['seen', 'also-seen']));
    await expect(admin().builds.list.query({ before: 'paged@000000000000' })).rejects.toThrow(/no build/);
  });
});

describe('trends', () => {
  const period = { from: at('12 00:00').toISOString(), to: at('19 00:00').toISOString() };
  const trends = (project: string, over: object = {}) => admin().history.trends.query({ project, ...period, ...over });

  it('are empty, not wrong, where nothing happened', async () => {
    await addProject(test.database, 'idle');
    const { buckets, totals, stages } = await trends('idle');
    expect(buckets).toHaveLength(7);
    for (const bucket of buckets) {
      expect(bucket).toMatchObject({ succeeded: 0, failed: 0, rolledBack: 0, leadTimeMedianMs: null, builds: 0 });
    }
    expect(totals).toMatchObject({ succeeded: 0, changes: 0, successRate: null, changeFailureRate: null, perDay: 0 });
    expect(totals).toMatchObject({ leadTimeMedianMs: null, timeToRestoreMedianMs: null, queueWaitMedianMs: null });
    expect(stages).toEqual([]);
  });

  it('are what one computes by hand', async () => {
    const [a, b, c, d] = [
      await build('shop', '11 08:00', '12 09:00'),
      await build('shop', '13 08:00', '13 09:00'),
      await build('shop', '14 08:00', '14 09:00'),
      await build('shop', '15 08:00', '15 09:00'),
    ];
    // Before the period: of no account, but the first success of a is here and not later.
    await deployed(a, { begun: '11 20:00', ended: '11 20:10' });
    // Succeeds again: no lead time, as a was delivered before.
    await deployed(a, { begun: '12 10:00', ended: '12 10:10', foretold: 10 });
    // Good, but rolled back two hours after it began: a failed change, restored in 5 minutes.
    await deployed(b, { begun: '13 10:00', ended: '13 10:20', foretold: 10 });
    await deployed(a, { begun: '13 12:00', ended: '13 12:05', kind: 'ROLLBACK', foretold: 10 });
    // Fails; the next success ends 3 hours later. What was aborted in between says nothing.
    await deployed(c, { begun: '14 10:00', ended: '14 10:30', status: 'FAILED', foretold: 10 });
    await deployed(c, { begun: '14 11:00', ended: '14 11:10', status: 'ABORTED' });
    await deployed(c, { begun: '14 13:00', ended: '14 13:30', foretold: 10, isResumed: true });
    // Replaced by a rollback before it had ended: a failed change that never succeeded; restored in 10 minutes.
    await deployed(d, { begun: '15 10:00', ended: '15 10:05', status: 'SUPERSEDED' });
    await deployed(c, { begun: '15 10:05', ended: '15 10:15', kind: 'ROLLBACK' });
    // Replaced by another deployment: no change at all. That one fails, and nothing has succeeded since.
    await deployed(d, { begun: '16 10:00', ended: '16 10:05', status: 'SUPERSEDED' });
    await deployed(d, { begun: '16 10:05', ended: '16 10:15', status: 'FAILED' });
    // Never began, or ended beyond the period.
    await deployed(d, { begun: '17 10:00', status: 'WAITING' });
    await deployed(d, { begun: '18 23:50', status: 'RUNNING' });

    const { buckets, totals } = await trends('shop');
    expect(buckets.map(({ start }) => start)).toEqual(
      ['12', '13', '14', '15', '16', '17', '18'].map((day) => at(`${day} 00:00`).toISOString()),
    );
    expect(buckets.map(({ succeeded, failed, rolledBack }) => [succeeded, failed, rolledBack])).toEqual([
      [1, 0, 0],
      [2, 0, 1],
      [1, 1, 0],
      [1, 0, 1],
      [0, 1, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(buckets.map(({ builds: count }) => count)).toEqual([1, 1, 1, 1, 0, 0, 0]);
    expect(totals).toEqual({
      succeeded: 5,
      failed: 2,
      rolledBack: 2,
      aborted: 1,
      perDay: 5 / 7,
      successRate: 5 / 7,
      // a again, b, c (failed), c, d (rolled back), d (failed).
      changes: 6,
      changeFailureRate: 4 / 6,
      // b after 2 h 20 min, c after 29.5 h - 24 h.
      leadTimeMedianMs: (minutes(140) + minutes(330)) / 2,
      leadTimeP90Ms: minutes(140) + 0.9 * (minutes(330) - minutes(140)),
      timeToRestoreMedianMs: minutes(10),
      timeToRestoreP90Ms: minutes(10) + 0.8 * (hours(3) - minutes(10)),
      notRestored: 1,
      queueWaitMedianMs: 2_000,
      queueWaitP90Ms: 2_000,
      // 10, 20 and 5 minutes for 10: not the one that failed, nor the one that was paused.
      foretold: 3,
      foretoldRatioMedian: 1,
      foretoldRatioP90: 1 + 0.8,
    });
    expect(buckets[1]!.leadTimeMedianMs).toBe(minutes(140));
    expect(buckets[0]!.leadTimeMedianMs).toBeNull();
  });

  it('add up over projects, in weeks that begin on Monday, and count a thing where it ended', async () => {
    const weekly = { from: at('07 00:00').toISOString(), to: at('22 00:00').toISOString(), bucket: 'week' as const };
    const [shop, everything] = [await trends('shop', weekly), await admin().history.trends.query(weekly)];
    expect(shop.buckets.map(({ start }) => start)).toEqual(
      ['05', '12', '19'].map((day) => at(`${day} 00:00`).toISOString()),
    );
    expect(shop.buckets.map(({ succeeded }) => succeeded)).toEqual([1, 5, 0]);
    expect(everything.totals.succeeded).toBe(shop.totals.succeeded);
    const halfDay = await trends('shop', { from: at('12 10:05').toISOString(), to: at('12 10:10').toISOString() });
    expect(halfDay.totals.succeeded).toBe(0);
    const minuteLater = await trends('shop', { from: at('12 10:05').toISOString(), to: at('12 10:11').toISOString() });
    expect(minuteLater.totals.succeeded).toBe(1);
  });

  it('say how long each stage takes, from the checkout to the machines', async () => {
    const id = await build('staged', '13 08:00', '13 09:00');
    const [row] = await test.database.select().from(builds).where(eq(builds.id, id));
    const stage = (attempt: number, name: 'CHECKOUT' | 'RECIPE', from: number, to: number | null) => ({
      jobId: row!.jobId,
      attempt,
      stage: name,
      startedAt: new Date(at('13 09:00').getTime() + from),
      finishedAt: to === null ? null : new Date(at('13 09:00').getTime() + to),
    });
    // Only the attempt that succeeded counts.
    await test.database.update(jobs).set({ attempts: 2 }).where(eq(jobs.id, row!.jobId));
    await test.database
      .insert(jobStageTimes)
      .values([stage(1, 'CHECKOUT', 0, 90_000), stage(2, 'RECIPE', 9_000, 49_000), stage(2, 'CHECKOUT', 3_000, 9_000)]);
    const replica = { buildId: id, status: 'REPLICATED' as const, bytesTotal: 1 };
    await test.database.insert(replicas).values({ ...replica, region: 'eu', finishedAt: at('13 09:03') });
    await deployed(id, { begun: '13 10:00', ended: '13 10:04' });
    const { stages } = await trends('staged');
    expect(stages).toEqual([
      { stage: 'CHECKOUT', medianMs: 6_000, p90Ms: 6_000, times: 1 },
      { stage: 'RECIPE', medianMs: 40_000, p90Ms: 40_000, times: 1 },
      { stage: 'REPLICATION', medianMs: minutes(3), p90Ms: minutes(3), times: 1 },
      { stage: 'DEPLOYMENT', medianMs: minutes(4), p90Ms: minutes(4), times: 1 },
    ]);
  });

  it('refuse a period that is empty, turned round or endless, and a project that is not there', async () => {
    const wrong = (over: object) => expect(trends('shop', over)).rejects.toMatchObject({ data: { field: 'from' } });
    await wrong({ to: period.from });
    await wrong({ from: period.to, to: period.from });
    await wrong({ from: '2020-01-01T00:00:00Z' });
    await expect(trends('nowhere')).rejects.toMatchObject({ data: { starlingCode: 'NOT_FOUND' } });
  });
});
