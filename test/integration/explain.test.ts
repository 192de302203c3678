import type { Caller, Context } from '@starling/server/api/context.ts';
import { rootRouter } from '@starling/server/api/root.ts';
import { createCallerFactory } from '@starling/server/api/trpc.ts';
import type { Database } from '@starling/server/db/connect.ts';
import { primaryReader } from '@starling/server/db/reader.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { sql } from 'drizzle-orm';
import { beforeAll, describe, expect, it } from 'vitest';
import { explainAll } from '../postgres/explained.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import {
  auditCount,
  bigTables,
  deploymentCount,
  fillWithAMillion,
  jobCount,
  machineCount,
  quietPerson,
  quietProject,
} from '../postgres/million-rows.ts';

// What lists cost on a million rows. PostgreSQL explains the very queries of the procedures, with their parameters: none
// may read a big table from end to end, and none more than a bounded number of rows and pages, on the first page of a list
// as on the last. Time is not measured: it is the machine's, the plan is ours.

const test = useFreshDatabase();
beforeAll(() => fillWithAMillion(test.database), 200_000);

const createCaller = createCallerFactory(rootRouter);
type Api = ReturnType<typeof createCaller>;
const admin: Caller = {
  kind: 'person',
  name: 'ada',
  account: 1,
  grants: [{ project: '*', role: 'admin' }],
  most: null,
};
/** Sees a busy project and two that hardly ever do anything. */
const guest: Caller = {
  kind: 'person',
  name: 'guest',
  account: 2,
  grants: ['project-3', quietProject, 'gone'].map((project) => ({ project, role: 'viewer' as const })),
  most: null,
};

function apiOf(caller: Caller, database: Database = test.database): Api {
  const ctx = {
    caller,
    requestId: 'r',
    database,
    reader: primaryReader(database),
    clock: systemClock,
    log: { error: () => {} },
  };
  return createCaller(ctx as unknown as Context);
}

async function costOf(call: (api: Api) => Promise<unknown>, caller: Caller = admin) {
  const explained = await explainAll(test.database, (database) => call(apiOf(caller, database)));
  const big = new Set<string>(bigTables);
  return {
    queries: explained.length,
    rowsRead: explained.reduce((sum, { rowsRead }) => sum + rowsRead, 0),
    blocks: explained.reduce((sum, { blocks }) => sum + blocks, 0),
    seqScans: explained.flatMap(({ seqScans }) => seqScans).filter((table) => big.has(table)),
    plans: explained.map(({ query, plan }) => `${query}\n${plan}`).join('\n\n'),
  };
}

async function expectBounded(
  call: (api: Api) => Promise<unknown>,
  { rows, blocks, caller = admin }: { rows: number; blocks: number; caller?: Caller },
) {
  const cost = await costOf(call, caller);
  expect(cost.queries).toBeGreaterThan(0);
  expect(cost.seqScans, cost.plans).toEqual([]);
  expect(cost.rowsRead, cost.plans).toBeLessThanOrEqual(rows);
  expect(cost.blocks, cost.plans).toBeLessThanOrEqual(blocks);
}

const middle = { from: daysAgo(200), to: daysAgo(170) };
const limit = 50;
/** A page of 50, what is joined to it, and what a second condition turns away. */
const listBounds = { rows: 12_000, blocks: 4_000 };
/**
 * Jobs are written too often for an index for each pair of conditions: what one finds the other has to turn away. How much that
 * is follows from how rare the pair is, not from how many jobs there are.
 */
const jobBounds = { rows: 80_000, blocks: 4_000 };
/** A page of 100 machines and what each says of its projects. */
const machineBounds = { rows: 6_000, blocks: 6_000 };

/** Where the last page of a list begins, or a late one of a list that is endless: after a number that few are below. */
async function lastPageOf(
  read: (page: { before: number; limit: number }) => Promise<{ id: number }[]>,
  few: number,
): Promise<number> {
  const late = await read({ before: few, limit: 100 });
  return late.at(-Math.min(late.length, 10))?.id ?? few;
}

function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString();
}

describe('history.list', () => {
  type Filter = Omit<NonNullable<Parameters<Api['history']['list']>[0]>, 'limit'>;
  const filters: [string, Filter][] = [
    ['everything', {}],
    ['a project', { project: 'project-7' }],
    ['a quiet project', { project: quietProject }],
    ['a person', { person: 'person-4' }],
    ['a quiet person', { person: quietPerson }],
    ['somebody unknown', { person: 'nobody' }],
    ['deployments', { kind: 'DEPLOY' }],
    ['rollbacks', { kind: 'ROLLBACK' }],
    ['rolls forward', { kind: 'ROLL_FORWARD' }],
    ['successes', { status: 'SUCCEEDED' }],
    ['failures', { status: 'FAILED' }],
    ['what runs', { status: 'RUNNING' }],
    ['what waits', { status: 'WAITING' }],
    ['a month', middle],
    ['since last week', { from: daysAgo(7) }],
    ['until long ago', { to: daysAgo(360) }],
    ['a project and person', { project: 'project-7', person: 'person-4' }],
    ['a project and quiet person', { project: 'project-7', person: quietPerson }],
    ['a project and status', { project: 'project-7', status: 'FAILED' }],
    ['a project and rare status', { project: 'project-7', status: 'WAITING' }],
    ['a project and kind', { project: 'project-7', kind: 'ROLLBACK' }],
    ['a project and rare kind', { project: 'project-7', kind: 'ROLL_FORWARD' }],
    ['a project and month', { project: 'project-7', ...middle }],
    ['a person and status', { person: 'person-4', status: 'FAILED' }],
    ['a person and month', { person: 'person-4', ...middle }],
    ['failures of a month', { status: 'FAILED', ...middle }],
    ['a quiet project in a month', { project: quietProject, ...middle }],
    ['all at once', { project: 'project-7', person: 'person-4', kind: 'DEPLOY', status: 'FAILED', ...middle }],
  ];
  it.each(filters)('of %s', async (_, filter) => {
    await expectBounded((api) => api.history.list({ ...filter, limit }), listBounds);
  });

  it.each(filters)('of %s, the last page', async (_, filter) => {
    const before = await lastPageOf((page) => apiOf(admin).history.list({ ...filter, ...page }), deploymentCount / 8);
    await expectBounded((api) => api.history.list({ ...filter, before, limit }), listBounds);
  });

  it.each(filters)('of %s, for a guest', async (_, { project: _all, ...filter }) => {
    await expectBounded((api) => api.history.list({ ...filter, limit }), { ...listBounds, caller: guest });
  });

  it('of a build, and of the first digits of its SHA', async () => {
    const [row] = await test.database.execute(sql`
      select d.build_id as id, b.commit_sha as sha from deployments d join builds b on b.id = d.build_id
      order by d.id offset 1000 limit 1`);
    const { id, sha } = row as { id: string; sha: string };
    for (const build of [id, sha, sha.slice(0, 7), sha.slice(0, 4), 'ffff', 'nothing@000000000000']) {
      const found = await apiOf(admin).history.list({ build, limit });
      if (sha.startsWith(build)) expect(found.map(({ buildId }) => buildId)).toContain(id);
      await expectBounded((api) => api.history.list({ build, limit }), { rows: 1_000, blocks: 1_000 });
      await expectBounded((api) => api.history.list({ build, project: 'project-7', limit }), {
        rows: 1_000,
        blocks: 1_000,
      });
    }
  });
});

describe('jobs.list', () => {
  type Filter = Omit<NonNullable<Parameters<Api['jobs']['list']>[0]>, 'limit'>;
  const filters: [string, Filter][] = [
    ['everything', {}],
    ['a project', { project: 'project-7' }],
    ['a quiet project', { project: quietProject }],
    ['a person', { requestedBy: 'person-4' }],
    ['a quiet person', { requestedBy: quietPerson }],
    ['somebody unknown', { requestedBy: 'nobody' }],
    ['what waits', { status: 'QUEUED' }],
    ['what runs', { status: 'RUNNING' }],
    ['successes', { status: 'SUCCEEDED' }],
    ['failures', { status: 'FAILED' }],
    ['what was cancelled', { status: 'CANCELLED' }],
    ['what waits or runs', { group: 'open' }],
    ['what ended without a build', { group: 'unsuccessful' }],
    ['a project and person', { project: 'project-7', requestedBy: 'person-4' }],
    ['a project and status', { project: 'project-7', status: 'FAILED' }],
    ['a person and status', { requestedBy: 'person-4', status: 'FAILED' }],
    ['what runs of a project', { project: 'project-7', status: 'RUNNING' }],
    ['the first digits of a SHA', { commit: 'abcdef' }],
    ['four digits of a SHA', { commit: 'abcd' }],
    ['four digits of a SHA in a project', { commit: 'abcd', project: 'project-7' }],
  ];
  it.each(filters)('of %s', async (_, filter) => {
    await expectBounded((api) => api.jobs.list({ ...filter, limit }), jobBounds);
  });

  it.each(filters)('of %s, the last page', async (_, filter) => {
    const before = await lastPageOf((page) => apiOf(admin).jobs.list({ ...filter, ...page }), jobCount / 8);
    await expectBounded((api) => api.jobs.list({ ...filter, before, limit }), jobBounds);
  });

  it.each(filters)('of %s, for a guest', async (_, { project: _all, ...filter }) => {
    await expectBounded((api) => api.jobs.list({ ...filter, limit }), { ...jobBounds, caller: guest });
  });
});

describe('builds', () => {
  it.each<[string, { project?: string }, Caller]>([
    ['everything', {}, admin],
    ['a project', { project: 'project-7' }, admin],
    ['a quiet project', { project: quietProject }, admin],
    ['everything, for a guest', {}, guest],
  ])('are listed: %s, the first page and the last', async (_, filter, caller) => {
    await expectBounded((api) => api.builds.list({ ...filter, limit }), { ...listBounds, caller });
    const [last] = await test.database.execute(sql`
      select id from builds where project = ${filter.project ?? quietProject} order by created_at, id offset 8 limit 1`);
    const before = (last as { id: string }).id;
    await expectBounded((api) => api.builds.list({ ...filter, before, limit }), { ...listBounds, caller });
  });

  it('are offered as versions, and found by SHA and by id', async () => {
    await expectBounded((api) => api.builds.versions({ project: 'project-7' }), listBounds);
    const [row] = await test.database.execute(sql`
      select id, commit_sha as sha from builds where project = 'project-7' order by created_at offset 1000 limit 1`);
    const { id } = row as { id: string };
    await expectBounded((api) => api.builds.get({ id }), { rows: 300, blocks: 300 });
  });
});

describe('deployments', () => {
  it.each([
    ['everything', {}, admin],
    ['a project', { project: 'project-7' }, admin],
    ['everything, for a guest', {}, guest],
  ])('are listed: %s, the first page and the last', async (_, filter, caller) => {
    await expectBounded((api) => api.deployments.list({ ...filter, limit }), { ...listBounds, caller });
    const before = await lastPageOf((page) => apiOf(caller).deployments.list({ ...filter, ...page }), 5_000);
    await expectBounded((api) => api.deployments.list({ ...filter, before, limit }), { ...listBounds, caller });
  });
});

describe('audit.list', () => {
  type Filter = Omit<NonNullable<Parameters<Api['audit']['list']>[0]>, 'limit'>;
  const filters: [string, Filter][] = [
    ['everything', {}],
    ['a project', { project: 'project-7' }],
    ['a quiet project', { project: quietProject }],
    ['a person', { actor: 'person-4' }],
    ['a quiet person', { actor: quietPerson }],
    ['an action', { action: 'deployment.start' }],
    ['a rare action', { action: 'account.disable' }],
    ['an unknown action', { action: 'nothing.happens' }],
    ['a month', middle],
    ['since last week', { from: daysAgo(7) }],
    ['until long ago', { to: daysAgo(360) }],
    ['a person in a project', { project: 'project-7', actor: 'person-4' }],
    ['an action in a project', { project: 'project-7', action: 'deployment.start' }],
    ['a rare action in a project', { project: 'project-7', action: 'account.disable' }],
    ['a person in a month', { actor: 'person-4', ...middle }],
    ['a project in a month', { project: 'project-7', ...middle }],
  ];
  it.each(filters)('of %s', async (_, filter) => {
    await expectBounded((api) => api.audit.list({ ...filter, limit }), listBounds);
  });

  it.each(filters)('of %s, the last page', async (_, filter) => {
    const before = await lastPageOf((page) => apiOf(admin).audit.list({ ...filter, ...page }), auditCount / 8);
    await expectBounded((api) => api.audit.list({ ...filter, before, limit }), listBounds);
  });
});

describe('the machines of a large fleet', () => {
  type Filter = NonNullable<Parameters<Api['machines']['list']>[0]>;
  const byName: [string, Filter][] = [
    ['by name', {}],
    ['of a region', { region: 'region-2' }],
    ['of a project', { project: 'project-1' }],
    ['by the beginning of the name', { find: 'region-2-0123' }],
    ['by the beginning of the name, in a region', { find: 'region-2-01', region: 'region-2' }],
    ['by a name that nobody has', { find: 'nobody' }],
    ['that run a build', { build: 'project-1@ba9876543210' }],
    ['that run a rare build', { build: 'project-1@0123456789ab' }],
    ['that run a rare build, in a region', { build: 'project-1@0123456789ab', region: 'region-2' }],
    ['that failed', { states: ['failed'], order: 'worst' }],
    ['that failed at a project', { states: ['failed'], order: 'worst', project: 'project-1' }],
    ['that are behind', { states: ['behind'], order: 'worst' }],
    ['that are up to date', { states: ['done'], order: 'worst' }],
  ];
  it.each(byName)('%s, the first page and the last', async (_, filter) => {
    await expectBounded((api) => api.machines.list({ ...filter, limit: 100 }), machineBounds);
    const late = await apiOf(admin).machines.list({ ...filter, after: 'region-4-019', limit: 1 });
    const after = late[0]?.id ?? 'region-4-0199';
    const afterState = filter.order === 'worst' ? { afterState: filter.states![0]! } : {};
    await expectBounded((api) => api.machines.list({ ...filter, after, ...afterState, limit: 100 }), machineBounds);
  });

  // Whether a machine is heard of changes every few seconds for all of them, and an index on it would cost more than it is
  // worth: these read the machines, once, but neither their projects nor anything else. Labels are found by index where the
  // planner knows that few have them.
  it.each<[string, Filter]>([
    ['the worst first', { order: 'worst' }],
    ['the worst of a region first', { order: 'worst', region: 'region-2' }],
    ['with a problem', { order: 'worst', states: ['failed', 'offline', 'behind'] }],
    ['that are offline', { order: 'worst', states: ['offline'] }],
    ['by label', { find: 'rack=r7' }],
    ['by a label that nobody has', { find: 'rack=none' }],
  ])('%s, read the fleet once at most', async (_, filter) => {
    const cost = await costOf((api) => api.machines.list({ ...filter, limit: 500 }));
    expect(cost.seqScans.filter((table) => table !== 'machines')).toEqual([]);
    expect(cost.rowsRead, cost.plans).toBeLessThanOrEqual(machineCount * 1.1);
    expect(cost.blocks, cost.plans).toBeLessThanOrEqual(8_000);
  });

  it('are counted by state in one pass over them', async () => {
    for (const filter of [{}, { region: 'region-2' }, { project: 'project-1' }]) {
      const cost = await costOf((api) => api.machines.counts(filter));
      expect(cost.seqScans.filter((table) => table !== 'machines')).toEqual([]);
      expect(cost.rowsRead, cost.plans).toBeLessThanOrEqual(machineCount * 1.1);
    }
  });

  it.each<[string, object]>([
    ['by name', {}],
    ['by the beginning of the name', { find: 'region-2-0123' }],
    ['that failed', { state: 'failed', order: 'worst' }],
    ['that are done', { state: 'done', order: 'worst' }],
    ['the worst first', { order: 'worst' }],
    ['that failed in a region', { state: 'failed', region: 'region-2', order: 'worst' }],
  ])('of a deployment: %s, the first page and the last', async (_, filter) => {
    const id = await newestDeployment();
    await expectBounded((api) => api.deployments.machines({ id, ...filter, limit: 100 }), machineBounds);
    const place = { after: 'region-4-0198', ...('order' in filter ? { afterState: 'done' as const } : {}) };
    await expectBounded((api) => api.deployments.machines({ id, ...filter, ...place, limit: 100 }), machineBounds);
  });

  it('of a deployment in a region read its machines once at most', async () => {
    const id = await newestDeployment();
    await expectBounded((api) => api.deployments.machines({ id, region: 'region-4', limit: 100 }), {
      rows: machineCount,
      blocks: 5_000,
    });
  });

  it('of a deployment as a line that climbs: its machines alone are read', async () => {
    const id = await newestDeployment();
    // Fourteen rows fit into a block.
    await expectBounded((api) => api.deployments.burnUp({ id }), { rows: machineCount, blocks: machineCount / 14 });
  });
});

describe('history.trends', () => {
  // What it reads is what ended in the period: a month holds a twelfth of the year. Of all projects together so much is
  // deployed that their builds are cheaper read as a whole than one by one.
  it.each([
    ['of a project', { project: 'project-7' }, ['builds', 'deployments', 'jobs']],
    ['of a quiet project', { project: quietProject }, ['builds', 'deployments', 'jobs']],
    ['of all projects', {}, ['deployments', 'jobs']],
  ])('%s reads what ended in the month, and not the year', async (_, filter, tables) => {
    const cost = await costOf((api) => api.history.trends(filter));
    expect(
      cost.seqScans.filter((table) => tables.includes(table)),
      cost.plans,
    ).toEqual([]);
  });
});

async function newestDeployment(): Promise<number> {
  const [newest] = await apiOf(admin).deployments.list({ limit: 1 });
  return newest!.id;
}
