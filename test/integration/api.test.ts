import { grantToken } from '@starling/server/accounts/tokens.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { TRPCClientError } from '@trpc/client';
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sampleKey } from '../../apps/server/src/version-keys/version-key-store-contract.ts';
import { deployments, machines, replicas } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addIdentity, addProject, addRegions, someSha } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const knownSha = someSha();
let url: string;
/** What stands in for the key store of a region, where something does. */
const standIns = new Map<string, () => Promise<VersionKey[]>>();
let stop: () => Promise<void>;
let as: TestApi['as'];
const admin = () => as('admin-token');

beforeAll(async () => {
  await addRegions(test.database, ['eu', 'us']);
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  await addIdentity(test.database, { kind: 'hub', name: 'h', region: 'eu' }, 'hub-token');
  const versionKeys = postgresVersionKeys(test.database, systemClock, log);
  const server = await startTestApi(test.database, {
    versionKeys: { list: (region) => standIns.get(region)?.() ?? versionKeys.list(region) },
    resolveRef: async (_, ref) => {
      if (ref === 'main' || ref === 'HEAD') return knownSha;
      throw new StarlingError('NOT_FOUND', `the repository has no ref "${ref}"`, {
        field: 'ref',
        fix: 'Branches: main.',
      });
    },
  });
  ({ url, as, stop } = server);
});
afterAll(() => stop());

/** The shape of the error that a call was refused with. */
async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TRPCClientError);
  const { message, data } = error as { message: string; data: Record<string, unknown> };
  expect(data.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(JSON.stringify(data)).not.toContain('node_modules');
  return { message, code: data.starlingCode, field: data.field, fix: data.fix };
}

async function deployableBuild(project: string) {
  const { build } = await addBuild(test.database, project);
  await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.buildId, build.buildId));
  return build.buildId;
}

describe('who may call', () => {
  it('nobody without a token, and not with a wrong one', async () => {
    for (const token of ['', 'wrong']) {
      expect(await refusal(as(token).overview.get.query())).toMatchObject({
        code: 'UNAUTHENTICATED',
        message: 'You are not signed in.',
      });
    }
  });

  it('a viewer looks and changes nothing; a hub reports and looks at nothing', async () => {
    expect(await as('viewer-token').session.whoAmI.query()).toMatchObject({
      name: 'vera',
      grants: [{ project: '*', role: 'viewer' }],
    });
    expect(await refusal(as('viewer-token').jobs.create.mutate({ project: 'shop' }))).toMatchObject({
      code: 'FORBIDDEN',
    });
    expect(await refusal(as('hub-token').overview.get.query())).toMatchObject({ code: 'FORBIDDEN' });
    expect(
      await refusal(admin().hubs.report.mutate({ hub: 'h', region: 'eu', machines: [], reports: [], progress: [] })),
    ).toMatchObject({ code: 'FORBIDDEN' });
  });

  it('a browser gets a cookie no script can read, and other sites cannot use it', async () => {
    const signIn = await fetch(`${url}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: 'admin-token' }),
    });
    expect(signIn.status).toBe(200);
    const cookie = signIn.headers.get('set-cookie')!;
    expect(cookie).toContain('HttpOnly');
    expect(cookie).toContain('SameSite=Strict');
    const session = cookie.split(';')[0]!;
    const whoAmI = (headers: Record<string, string>) => fetch(`${url}/trpc/session.whoAmI`, { headers });
    expect((await whoAmI({ cookie: session })).status).toBe(200);
    expect((await whoAmI({ cookie: session, origin: 'https://elsewhere.example' })).status).toBe(403);
    const wrong = await fetch(`${url}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"token":"no"}',
    });
    expect(wrong.status).toBe(401);
  });
});

describe('building', () => {
  it('settles a ref to its SHA at once and returns the job that has it already', async () => {
    await admin().projects.add.mutate({ name: 'books', repositoryUrl: '/books' });
    const first = await admin().jobs.create.mutate({ project: 'books', ref: 'main' });
    expect(first).toMatchObject({
      commitSha: knownSha,
      requestedRef: 'main',
      requestedBy: 'ada',
      status: 'QUEUED',
      created: true,
    });
    const second = await admin().jobs.create.mutate({ project: 'books' });
    expect(second).toMatchObject({ id: first.id, created: false });
  });

  it.each([
    [
      'an unknown project',
      () => admin().jobs.create.mutate({ project: 'nowhere' }),
      { code: 'NOT_FOUND', field: 'project' },
    ],
    [
      'an unknown ref',
      () => admin().jobs.create.mutate({ project: 'books', ref: 'nope' }),
      { code: 'NOT_FOUND', field: 'ref', fix: 'Branches: main.' },
    ],
    [
      'a bad name',
      () => admin().projects.add.mutate({ name: 'Not A Name', repositoryUrl: '/x' }),
      { code: 'INVALID_INPUT', field: 'name' },
    ],
    [
      'a name twice',
      () => admin().projects.add.mutate({ name: 'books', repositoryUrl: '/books' }),
      { code: 'CONFLICT', field: 'name' },
    ],
    ['an unknown job', () => admin().jobs.get.query({ id: 999_999 }), { code: 'NOT_FOUND', field: 'id' }],
    ['an unknown machine', () => admin().machines.get.query({ id: 'nobody' }), { code: 'NOT_FOUND', field: 'id' }],
  ])('names field and fix for %s', async (_, call, expected) => {
    expect(await refusal(call())).toMatchObject(expected);
  });
});

describe('deploying', () => {
  it('is refused while there is no machine, rather than waiting for one in silence', async () => {
    const build = await deployableBuild('early');
    expect(await refusal(admin().deployments.deploy.mutate({ project: 'early', build }))).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: 'There is no machine to deploy to: no agent has connected yet.',
    });
    await test.database.insert(machines).values({
      id: 'm1',
      region: 'eu',
      labels: {},
      agentVersion: '1',
      address: '127.0.0.1:1',
      hub: 'h',
      connected: true,
    });
  });

  it('refuses a build that is not in every region, and says which is missing and how far it is', async () => {
    const { build } = await addBuild(test.database, 'half');
    await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.region, 'eu'));
    await test.database.update(replicas).set({ status: 'COPYING', bytesDone: 25_500 }).where(eq(replicas.region, 'us'));
    expect(await refusal(admin().deployments.deploy.mutate({ project: 'half', build: build.buildId }))).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: `${build.buildId} cannot be deployed yet: 1 of 2 regions have it; us COPYING 50 %.`,
    });
    expect(await test.database.select().from(deployments).where(eq(deployments.project, 'half'))).toEqual([]);
  });

  it('lets one deployment of a project run at a time, however many ask at once', async () => {
    const build = await deployableBuild('race');
    const answers = await Promise.allSettled(
      Array.from({ length: 8 }, () => admin().deployments.deploy.mutate({ project: 'race', build })),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const loser = answers.find((answer) => answer.status === 'rejected');
    expect(String(loser?.reason)).toContain('is still running');
    const replaced = await admin().deployments.deploy.mutate({ project: 'race', build, whenBusy: 'REPLACE' });
    const statuses = (await admin().deployments.list.query({ project: 'race' })).map(({ id, status }) => [id, status]);
    expect(statuses).toEqual([
      [replaced.id, 'RUNNING'],
      [replaced.id - 1, 'SUPERSEDED'],
    ]);
  });

  it('rolls back to what ran well before, forward by choice, and names kinds rightly', async () => {
    const [first, second, third] = [
      await deployableBuild('trail'),
      await deployableBuild('trail'),
      await deployableBuild('trail'),
    ];
    const succeed = (id: number) =>
      test.database.update(deployments).set({ status: 'SUCCEEDED' }).where(eq(deployments.id, id));
    const fail = (id: number) =>
      test.database.update(deployments).set({ status: 'FAILED' }).where(eq(deployments.id, id));
    expect(await refusal(admin().deployments.rollback.mutate({ project: 'trail' }))).toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    await succeed((await admin().deployments.deploy.mutate({ project: 'trail', build: first })).id);
    await succeed((await admin().deployments.deploy.mutate({ project: 'trail', build: second })).id);
    await fail((await admin().deployments.deploy.mutate({ project: 'trail', build: third })).id);

    const versions = await admin().builds.versions.query({ project: 'trail' });
    expect(versions.map(({ id, current, lastGood, proven }) => ({ id, current, lastGood, proven }))).toEqual([
      { id: third, current: false, lastGood: false, proven: false },
      { id: second, current: true, lastGood: true, proven: true },
      { id: first, current: false, lastGood: false, proven: true },
    ]);
    await succeed((await admin().deployments.deploy.mutate({ project: 'trail', build: third })).id);
    const back = await admin().deployments.rollback.mutate({ project: 'trail', reason: 'slow' });
    expect(back).toMatchObject({ kind: 'ROLLBACK', buildId: second, previousBuildId: third, reason: 'slow' });
    await succeed(back.id);
    expect(await admin().deployments.rollback.mutate({ project: 'trail' })).toMatchObject({
      kind: 'ROLLBACK',
      buildId: first,
    });
    const forward = () => admin().deployments.rollback.mutate({ project: 'trail', build: third });
    expect(await refusal(forward())).toMatchObject({ code: 'PRECONDITION_FAILED', field: 'build' });
    await admin().quarantines.lift.mutate({ id: third, reason: 'it was the network' });
    expect(await forward()).toMatchObject({
      kind: 'ROLL_FORWARD',
      buildId: third,
    });
  });

  it('aborts once, and doing it again changes nothing', async () => {
    const build = await deployableBuild('stop');
    const { id } = await admin().deployments.deploy.mutate({ project: 'stop', build });
    const aborted = await admin().deployments.abort.mutate({ id, reason: 'wrong build' });
    expect(aborted).toMatchObject({ status: 'ABORTED', outcome: 'aborted by ada: wrong build' });
    expect(await admin().deployments.abort.mutate({ id })).toEqual(aborted);
  });
});

it('shows the first screen in one read', async () => {
  const overview = await admin().overview.get.query();
  expect(overview.regions.map(({ region }) => region)).toEqual(['eu', 'us']);
  expect(overview.projects.map(({ name }) => name)).toContain('trail');
});

describe('what the first screen says that each region must run', () => {
  const written = () => postgresVersionKeys(test.database, systemClock, log);
  const cellsOf = async (project: string) => {
    const overview = await admin().overview.get.query();
    const found = overview.projects.find(({ name }) => name === project);
    return {
      desired: Object.fromEntries(found!.regions.map(({ region, desiredBuild }) => [region, desiredBuild])),
      errors: Object.fromEntries(overview.regions.map(({ region, keysError }) => [region, keysError])),
    };
  };
  afterEach(() => standIns.clear());

  it('comes from the key store of the region, not from a table beside it', async () => {
    await addProject(test.database, 'signs');
    for (const region of ['eu', 'us']) await written().put(sampleKey('signs', 1, { region }), 0);
    const later = { build: 'signs@ffffffffffff', manifestDigest: 'b'.repeat(64), deployment: 2 };
    standIns.set('us', async () => [sampleKey('signs', 2, { region: 'us', stable: later })]);
    expect(await cellsOf('signs')).toEqual({
      desired: { eu: 'signs@0123456789ab', us: 'signs@ffffffffffff' },
      errors: { eu: null, us: null },
    });
  });

  it.each([
    ['refuses', () => Promise.reject(new StarlingError('UNAVAILABLE', 'the etcd of eu does not answer')), /etcd of eu/],
    ['never answers', () => new Promise<VersionKey[]>(() => {}), /of eu did not come within/],
  ])('is what was written last where a key store %s, and says so', async (how, standIn, reason) => {
    const project = `signs-${how.length}`;
    await addProject(test.database, project);
    for (const region of ['eu', 'us']) await written().put(sampleKey(project, 1, { region }), 0);
    standIns.set('eu', standIn);
    expect(await cellsOf(project)).toEqual({
      desired: { eu: `${project}@0123456789ab`, us: `${project}@0123456789ab` },
      errors: { eu: expect.stringMatching(reason), us: null },
    });
  });
});
