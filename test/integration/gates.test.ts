import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { whyNotNow } from '@starling/server/api/start-deployment.ts';
import { startGatekeeper } from '@starling/server/gates/gatekeeper.ts';
import type { ReviewCommit } from '@starling/server/gates/ports.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { reviewCommit } from '@starling/server/review/review-commit.ts';
import { deploymentRows } from '@starling/server/rollouts/deployment-rows.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { projectSettings } from '@starling/shared/project-settings.ts';
import { TRPCClientError } from '@trpc/client';
import { and, eq, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  accounts,
  builds,
  deployments,
  deploymentTasks,
  freezeWindows,
  machines,
  projects,
  replicas,
} from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const patience = { timeout: 15_000, interval: 20 };
let api: TestApi;
let count = 0;
let project = '';
const as = (name: string) => api.as(`${name}-token`);
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  await addRegions(test.database, ['eu']);
  await test.database
    .insert(machines)
    .values({ id: 'm', region: 'eu', labels: {}, agentVersion: '1', address: 'a', hub: 'h', connected: true });
  for (const name of ['ada', 'bob', 'eve']) await grantToken(test.database, name, 'admin', `${name}-token`);
  await grantToken(test.database, 'dora', 'deployer', 'dora-token');
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());
beforeEach(() => {
  project = `shop-${count++}`;
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  await test.database.delete(freezeWindows);
});

async function build(commitAuthor = 'Somebody Else') {
  const { build: made } = await addBuild(test.database, project, { commitAuthor });
  await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.buildId, made.buildId));
  return made.buildId;
}
const configure = (settings: unknown) =>
  test.database
    .update(projects)
    .set({ settings: settings as never })
    .where(eq(projects.name, project));
const get = (id: number) => as('ada').deployments.get.query({ id });
const statusOf = async (id: number) => (await get(id)).status;
const end = (id: number) =>
  test.database.update(deployments).set({ status: 'SUCCEEDED' }).where(eq(deployments.id, id));

function startKeeper(review: ReviewCommit = async () => ({ state: 'passed', detail: 'reviewed' })) {
  const loop = startGatekeeper({
    database: test.database,
    review,
    whyNot: (tx, { buildId }) => whyNotNow(tx, buildId),
    everyMs: 20,
    clock: systemClock,
    log,
  });
  stops.push(() => loop.stop());
}
const becomes = (id: number, status: string) =>
  vi.waitFor(async () => expect(await statusOf(id)).toBe(status), patience);

describe('two deployments of a project at once', () => {
  it('give one winner, and every loser a clear answer, however many there are', async () => {
    const id = await build();
    const calls = Array.from({ length: 50 }, () => as('ada').deployments.deploy.mutate({ project, build: id }));
    const settled = await Promise.allSettled(calls);
    const won = settled.filter(({ status }) => status === 'fulfilled');
    expect(won).toHaveLength(1);
    for (const one of settled) {
      if (one.status === 'fulfilled') continue;
      expect(one.reason).toBeInstanceOf(TRPCClientError);
      expect(one.reason.message).toMatch(/^Deployment \d+ of .* by ada is still running\.$/);
    }
    const running = await test.database
      .select()
      .from(deployments)
      .where(and(eq(deployments.project, project), eq(deployments.status, 'RUNNING')));
    expect(running).toHaveLength(1);
  });

  it('queue in the order they came, when asked to', async () => {
    startKeeper();
    const builds_ = [await build(), await build(), await build()];
    const ids = [];
    for (const one of builds_)
      ids.push((await as('ada').deployments.deploy.mutate({ project, build: one, whenBusy: 'QUEUE' })).id);
    const [first, second, third] = ids as [number, number, number];
    expect([await statusOf(first), await statusOf(second), await statusOf(third)]).toEqual([
      'RUNNING',
      'WAITING',
      'WAITING',
    ]);
    await end(first);
    await becomes(second, 'RUNNING');
    const behindSecond = [{ gate: 'queue', detail: `deployment ${second} is running` }];
    await vi.waitFor(async () => expect((await get(third)).gates).toMatchObject(behindSecond), patience);
    await as('ada').deployments.abort.mutate({ id: second });
    await becomes(third, 'RUNNING');
    expect((await get(third)).previousBuildId).toBe(builds_[0]);
  });

  it('replace what runs, when asked to', async () => {
    const [first, second] = [await build(), await build()];
    const before = await as('ada').deployments.deploy.mutate({ project, build: first });
    const after = await as('ada').deployments.deploy.mutate({ project, build: second, whenBusy: 'REPLACE' });
    expect([await statusOf(before.id), await statusOf(after.id)]).toEqual(['SUPERSEDED', 'RUNNING']);
  });
});

describe('approvals', () => {
  beforeEach(async () => {
    await build();
    await configure({ approvals: { needed: 2 } });
    startKeeper();
  });

  it('are by distinct people, and never by who asked for it', async () => {
    const { id, status } = await as('ada').deployments.deploy.mutate({ project, build: await build() });
    expect(status).toBe('WAITING');
    expect(await as('ada').approvals.approve.mutate({ id })).toMatchObject({
      note: expect.stringContaining('does not count'),
    });
    for (let times = 0; times < 3; times += 1) await as('bob').approvals.approve.mutate({ id });
    await vi.waitFor(
      async () => expect((await get(id)).gates[0]?.detail).toMatch(/^1 of 2 approvals by bob; ada asked for it/),
      patience,
    );
    await expect(as('dora').approvals.approve.mutate({ id })).rejects.toThrow('"approve"');
    expect(await as('eve').approvals.waiting.query()).toMatchObject([{ id, mine: null, whyNotMine: null }]);
    await as('eve').approvals.approve.mutate({ id });
    await becomes(id, 'RUNNING');
    await expect(as('eve').approvals.reject.mutate({ id })).rejects.toThrow('nothing to decide');
  });

  it('are not by the author of the commit', async () => {
    await test.database.update(accounts).set({ displayName: 'Bob Builder' }).where(eq(accounts.name, 'bob'));
    const { id } = await as('ada').deployments.deploy.mutate({ project, build: await build('Bob Builder') });
    await as('bob').approvals.approve.mutate({ id });
    await as('eve').approvals.approve.mutate({ id });
    await vi.waitFor(
      async () => expect((await get(id)).gates[0]?.detail).toMatch(/^1 of 2 approvals by eve; bob wrote the commit/),
      patience,
    );
    expect(await statusOf(id)).toBe('WAITING');
  });

  it('end it with one no', async () => {
    const { id } = await as('ada').deployments.deploy.mutate({ project, build: await build() });
    await as('bob').approvals.approve.mutate({ id });
    await as('eve').approvals.reject.mutate({ id, comment: 'not today' });
    await becomes(id, 'ABORTED');
    expect((await get(id)).outcome).toBe('approvals: rejected by eve: not today');
  });

  it('do not count when the role is gone', async () => {
    const { id } = await as('ada').deployments.deploy.mutate({ project, build: await build() });
    await as('bob').approvals.approve.mutate({ id });
    await test.database.execute(
      sql`delete from role_grants where account = (select id from accounts where name = 'bob')`,
    );
    await as('eve').approvals.approve.mutate({ id });
    await vi.waitFor(
      async () => expect((await get(id)).gates[0]?.detail).toContain('bob may not approve here'),
      patience,
    );
    expect(await statusOf(id)).toBe('WAITING');
    await grantToken(test.database, 'bob', 'admin', 'bob-token');
    await becomes(id, 'RUNNING');
  });

  it('are not asked for by a rollback, which takes away what waited', async () => {
    const good = await build();
    const [row] = await test.database
      .insert(deployments)
      .values({
        project,
        buildId: good,
        kind: 'DEPLOY',
        requestedBy: 'ada',
        reason: '',
        salt: 's',
        status: 'SUCCEEDED',
        startedAt: new Date(),
      })
      .returning();
    const waiting = await as('ada').deployments.deploy.mutate({ project, build: await build() });
    const back = await as('dora').deployments.rollback.mutate({ project, build: good });
    expect([back.status, await statusOf(waiting.id)]).toEqual(['RUNNING', 'SUPERSEDED']);
    expect(row).toBeDefined();
  });
});

it('counts as the newest what began last, also when it was asked for first', async () => {
  const [first, second] = [await build(), await build()];
  await configure({ approvals: { needed: 1 } });
  const late = await as('ada').deployments.deploy.mutate({ project, build: first });
  await configure({});
  const quick = await as('ada').deployments.deploy.mutate({ project, build: second });
  expect([late.status, quick.status]).toEqual(['WAITING', 'RUNNING']);
  const newest = async () => (await deploymentRows(test.database).factsByProject()).get(project)![0]!.id;
  expect(await newest(), 'what waits changes nothing').toBe(quick.id);
  await end(quick.id);
  startKeeper();
  await becomes(late.id, 'RUNNING');
  expect(await newest()).toBe(late.id);
  expect((await get(late.id)).previousBuildId).toBe(second);
});

it('names builds to be fetched ahead while they wait, unless the project has that off, and not when they began or are called off', async () => {
  const [first, second] = [await build(), await build()];
  const approvals = { needed: 1 };
  const ahead = async () =>
    ((await deploymentRows(test.database).waitingBuilds()).get(project) ?? []).map((waiting) => waiting.build);
  await configure({ approvals });
  const one = await as('ada').deployments.deploy.mutate({ project, build: first });
  const two = await as('ada').deployments.deploy.mutate({ project, build: second });
  expect(await ahead()).toEqual([second, first]);
  await configure({ approvals, prefetch: 'off' });
  expect(await ahead()).toEqual([]);
  await configure({ approvals });
  await as('ada').deployments.abort.mutate({ id: two.id });
  expect(await ahead()).toEqual([first]);
  await configure({});
  startKeeper();
  await becomes(one.id, 'RUNNING');
  expect(await ahead()).toEqual([]);
});

describe('freezes', () => {
  it('hold a deployment until they are lifted, and let rollbacks and hotfixes pass', async () => {
    startKeeper();
    const [one, two] = [await build(), await build()];
    const freeze = await as('ada').freezes.add.mutate({ project, reason: 'holidays' });
    const waiting = await as('ada').deployments.deploy.mutate({ project, build: one });
    expect(waiting.status).toBe('WAITING');
    await expect(
      as('dora').deployments.deploy.mutate({ project, build: two, hotfix: true, reason: 'down' }),
    ).rejects.toThrow('"approve" too');
    await expect(as('bob').deployments.deploy.mutate({ project, build: two, hotfix: true })).rejects.toThrow(
      'a hotfix needs one',
    );
    const hotfix = await as('bob').deployments.deploy.mutate({
      project,
      build: two,
      hotfix: true,
      reason: 'checkout is down',
    });
    expect(hotfix.status).toBe('RUNNING');
    const audited = await test.database.execute(
      sql`select actor, details from audit_log where action = 'freeze.bypass' and target = ${String(hotfix.id)}`,
    );
    expect(audited).toMatchObject([{ actor: 'bob', details: { reason: 'checkout is down' } }]);
    await end(hotfix.id);
    await as('ada').freezes.lift.mutate({ id: freeze.id });
    await becomes(waiting.id, 'RUNNING');
  });

  it('of all projects are set only by who administers all', async () => {
    await build();
    await grantToken(test.database, 'zoe', 'viewer', 'zoe-token');
    await as('ada').accounts.grant.mutate({ name: 'zoe', role: 'admin', project });
    await expect(as('zoe').freezes.add.mutate({ reason: 'all' })).rejects.toThrow('in all projects');
    const own = await as('zoe').freezes.add.mutate({ project, reason: 'mine' });
    const all = await as('ada').freezes.add.mutate({ reason: 'all' });
    await expect(as('zoe').freezes.lift.mutate({ id: all.id })).rejects.toThrow('in all projects');
    expect(await as('zoe').freezes.lift.mutate({ id: own.id })).toMatchObject({ lifted: true });
  });
});

describe('tasks', () => {
  it('run once all else is passed, and their failure calls the deployment off', async () => {
    startKeeper();
    const id = await build();
    await configure({
      approvals: { needed: 1 },
      tasks: { before: [{ type: 'command', name: 'migrate', command: 'true' }] },
    });
    const { id: deployment } = await as('ada').deployments.deploy.mutate({ project, build: id });
    const task = async () =>
      (await test.database.select().from(deploymentTasks).where(eq(deploymentTasks.deployment, deployment)))[0]!;
    expect((await task()).status).toBe('WAITING');
    await as('bob').approvals.approve.mutate({ id: deployment });
    await vi.waitFor(async () => expect((await task()).status).toBe('QUEUED'), patience);
    await test.database
      .update(deploymentTasks)
      .set({ status: 'FAILED', failureReason: 'exit code 1' })
      .where(eq(deploymentTasks.deployment, deployment));
    await becomes(deployment, 'ABORTED');
    expect((await get(deployment)).outcome).toContain('the task "migrate" failed: exit code 1');
  });
});

describe('the review gate', () => {
  it('asks again until the commit is reviewed, and is asked by whoever takes over', async () => {
    let reviewed = false;
    const review: ReviewCommit = async () =>
      reviewed
        ? { state: 'passed', detail: 'approved by eve' }
        : { state: 'waiting', detail: 'nobody has approved it' };
    const id = await build();
    await configure({ review: { require: 'approved', provider: 'github', repository: 'acme/shop' } });
    startKeeper(review);
    const { id: deployment } = await as('ada').deployments.deploy.mutate({ project, build: id });
    await vi.waitFor(
      async () =>
        expect((await get(deployment)).gates).toMatchObject([{ gate: 'review', detail: 'nobody has approved it' }]),
      patience,
    );
    await stops.pop()!();
    reviewed = true;
    startKeeper(review);
    await becomes(deployment, 'RUNNING');
  });

  it('finds out by git whether a commit is on a protected branch', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'starling-review-'));
    try {
      const origin = join(folder, 'origin');
      const git = (...args: string[]) =>
        execFileSync('git', ['-C', origin, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], {
          encoding: 'utf8',
        }).trim();
      execFileSync('git', ['init', '-q', '-b', 'main', origin]);
      git('commit', '-q', '--allow-empty', '-m', 'one');
      const onMain = git('rev-parse', 'HEAD');
      git('checkout', '-q', '-b', 'feature');
      writeFileSync(join(origin, 'file'), 'x');
      git('add', '.');
      git('commit', '-q', '-m', 'two');
      const onFeature = git('rev-parse', 'HEAD');
      const look = reviewCommit({ github: undefined, gitlab: undefined, folder });
      const settings = projectSettings.parse({
        review: { require: 'protected-branch', protectedBranches: ['main', 'release/*'] },
      }).review;
      for (const repositoryUrl of [origin]) {
        expect(await look({ repositoryUrl, commitSha: onMain, settings })).toEqual({
          state: 'passed',
          detail: 'it is on the branch main',
        });
        expect(await look({ repositoryUrl, commitSha: onFeature, settings })).toMatchObject({ state: 'waiting' });
      }
      git('branch', 'release/1', onFeature);
      expect(await look({ repositoryUrl: origin, commitSha: onFeature, settings })).toMatchObject({
        state: 'passed',
        detail: 'it is on the branch release/1',
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  describe('asks code hosts over HTTP', () => {
    const sha = 'a'.repeat(40);
    let answers: Record<
      string,
      unknown | ((headers: Record<string, unknown>) => [number, Record<string, string>, unknown])
    > = {};
    let base = '';
    const server = createServer((request, response) => {
      const answer = answers[request.url ?? ''];
      if (answer === undefined) return response.writeHead(404).end('{}');
      if (typeof answer === 'function') {
        const [status, headers, body] = answer(request.headers);
        return response.writeHead(status, headers).end(JSON.stringify(body));
      }
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    beforeAll(async () => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(() => server.close());
    const look = (provider: 'github' | 'gitlab') =>
      reviewCommit({
        github: { baseUrl: base, token: 'gh' },
        gitlab: { baseUrl: `${base}/api/v4`, token: 'gl' },
        folder: tmpdir(),
      })({
        repositoryUrl: '/r',
        commitSha: sha,
        settings: projectSettings.parse({ review: { require: 'approved', provider, repository: 'acme/shop' } }).review,
      });
    const pull = { number: 12, merged_at: '2026-11-01T10:00:00Z', user: { login: 'ada' }, base: { ref: 'main' } };
    const review = (login: string, state: string, submitted_at: string) => ({ user: { login }, state, submitted_at });
    const github = (
      reviews: unknown,
      runs: unknown[] = [],
      status: unknown = { state: 'pending', total_count: 0 },
    ) => ({
      [`/repos/acme/shop/commits/${sha}/pulls?per_page=100`]: [pull],
      '/repos/acme/shop/pulls/12/reviews?per_page=100': reviews,
      [`/repos/acme/shop/commits/${sha}/check-runs?per_page=100`]: { check_runs: runs },
      [`/repos/acme/shop/commits/${sha}/status`]: status,
    });
    const approved = [review('bob', 'APPROVED', '2026-11-01T09:00:00Z')];

    it.each([
      ['no pull request', {}, 'waiting', 'GitHub knows no pull request of aaaaaaaaaaaa'],
      ['no review', github([]), 'waiting', 'nobody has approved pull request 12'],
      ['an approval', github(approved), 'passed', 'pull request 12 was approved by bob'],
      [
        'the author’s own',
        github([review('ada', 'APPROVED', '2026-11-01T09:00:00Z')]),
        'waiting',
        'nobody has approved pull request 12',
      ],
      [
        'changes asked for',
        github([...approved, review('eve', 'CHANGES_REQUESTED', '2026-11-01T09:01:00Z')]),
        'waiting',
        'eve asks for changes in pull request 12',
      ],
      [
        'changes asked for and then approved',
        github([
          review('bob', 'APPROVED', '2026-11-01T09:02:00Z'),
          review('bob', 'CHANGES_REQUESTED', '2026-11-01T09:01:00Z'),
        ]),
        'passed',
        'pull request 12 was approved by bob',
      ],
      [
        'a dismissed approval',
        github([review('bob', 'DISMISSED', '2026-11-01T09:00:00Z')]),
        'waiting',
        'nobody has approved pull request 12',
      ],
      [
        'a comment after the approval',
        github([...approved, review('bob', 'COMMENTED', '2026-11-01T09:05:00Z')]),
        'passed',
        'pull request 12 was approved by bob',
      ],
      [
        'a failed check',
        github(approved, [{ name: 'test', status: 'completed', conclusion: 'failure' }]),
        'waiting',
        'the check "test" ended as failure',
      ],
      [
        'a check under way',
        github(approved, [{ name: 'test', status: 'in_progress', conclusion: null }]),
        'waiting',
        'the check "test" is not over',
      ],
      [
        'a red status',
        github(approved, [], { state: 'failure', total_count: 1 }),
        'waiting',
        "the commit's status is failure",
      ],
    ])('GitHub with %s', async (_, given, state, detail) => {
      answers = given;
      expect(await look('github')).toEqual({ state, detail });
    });

    it('reads further pages, with the token and only from the same host', async () => {
      const path = '/repos/acme/shop/pulls/12/reviews?per_page=100';
      answers = {
        ...github([]),
        [path]: (headers: Record<string, unknown>) => [
          headers.authorization === 'Bearer gh' ? 200 : 401,
          { link: `<${base}/page2>; rel="next"` },
          [],
        ],
        '/page2': (_headers: Record<string, unknown>) => [
          200,
          { link: '<https://elsewhere.example/page3>; rel="next"' },
          approved,
        ],
      };
      expect(await look('github')).toMatchObject({ state: 'passed' });
    });

    it('waits when it has asked too often, and says until when', async () => {
      answers = {
        [`/repos/acme/shop/commits/${sha}/pulls?per_page=100`]: () => [
          403,
          { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Date.parse('2026-11-21T13:45:00Z') / 1000) },
          {},
        ],
      };
      expect(await look('github')).toMatchObject({
        state: 'waiting',
        detail: expect.stringContaining('answers no more until 13:45 UTC'),
      });
    });

    const project_ = '/api/v4/projects/acme%2Fshop';
    const gitlab = (approvals: unknown, pipelines: unknown[]) => ({
      [`${project_}/repository/commits/${sha}/merge_requests`]: [{ iid: 5, state: 'merged' }],
      [`${project_}/merge_requests/5/approvals`]: approvals,
      [`${project_}/pipelines?sha=${sha}&order_by=id&sort=desc&per_page=1`]: pipelines,
    });
    const byEve = { approved: true, approved_by: [{ user: { username: 'eve' } }] };
    it.each([
      ['no merge request', {}, 'waiting', 'GitLab knows no merge request of aaaaaaaaaaaa'],
      [
        'an approval and a green pipeline',
        gitlab(byEve, [{ id: 9, status: 'success' }]),
        'passed',
        'merge request 5 was approved by eve',
      ],
      ['a red pipeline', gitlab(byEve, [{ id: 9, status: 'failed' }]), 'waiting', 'pipeline 9 is failed'],
      [
        'approvals missing',
        gitlab({ approved: false, approvals_left: 2, approved_by: [] }, []),
        'waiting',
        'merge request 5 is not approved; 2 more are needed',
      ],
      [
        'no rule and nobody who looked',
        gitlab({ approved: true, approved_by: [] }, []),
        'waiting',
        'merge request 5 is not approved',
      ],
    ])('GitLab with %s', async (_, given, state, detail) => {
      answers = given;
      expect(await look('gitlab')).toEqual({ state, detail });
    });
  });
});

it('refuses a build that has expired', async () => {
  const id = await build();
  await test.database.update(builds).set({ expiredAt: new Date() }).where(eq(builds.id, id));
  await expect(as('ada').deployments.deploy.mutate({ project, build: id })).rejects.toThrow('has expired');
});
