import { grantToken } from '@starling/server/accounts/tokens.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  approvals,
  deploymentGates,
  deployments,
  projects,
  replicas,
  versionKeys,
} from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addJob, addProject, addRegions } from '../postgres/sample-rows.ts';

// What only the console's pages ask for: who waits for whom, the queue in its order, the state of regions.

const test = useFreshDatabase();
let api: TestApi;
const as = (name: string) => api.as(`${name}-token`);
const swarmSecret = Buffer.alloc(32, 7).toString('base64');

beforeAll(async () => {
  await addRegions(test.database, ['eu', 'us']);
  for (const name of ['ada', 'eve']) await grantToken(test.database, name, 'approver', `${name}-token`);
  await grantToken(test.database, 'dora', 'deployer', 'dora-token');
  const issuedAt = systemClock.now();
  const target = { build: 'shop@0123456789ab', manifestDigest: '0'.repeat(64), deployment: 1 };
  const keyOf = (project: string, region: string) => ({
    format: 1 as const,
    project,
    region,
    sequence: 7,
    issuedAt,
    expiresAt: issuedAt + 1_000,
    stable: target,
    candidate: null,
    prefetch: [],
    quarantined: ['shop@aaaaaaaaaaaa'],
    swarm: { secret: swarmSecret, madeAt: issuedAt },
    signature: { keyId: 'k', value: 'v' },
  });
  const document = keyOf('shop', 'us');
  await test.database.insert(versionKeys).values({ project: 'shop', region: 'us', sequence: 7, document });
  api = await startTestApi(test.database, {
    versionKeys: {
      list: async (region) => {
        if (region === 'us') throw new Error('etcd is away');
        return [keyOf('shop', region), keyOf('books', region)];
      },
    },
  });
});
afterAll(() => api.stop());

async function waiting(project: string, requestedBy: string, author: string, gates: ('approvals' | 'freeze')[]) {
  const { build } = await addBuild(test.database, project, { commitAuthor: author });
  const [row] = await test.database
    .insert(deployments)
    .values({ project, buildId: build.buildId, kind: 'DEPLOY', requestedBy, reason: 'x', status: 'WAITING', salt: 's' })
    .returning();
  await test.database
    .insert(deploymentGates)
    .values(gates.map((gate) => ({ deployment: row!.id, gate, status: 'WAITING' as const, detail: `the ${gate}` })));
  return row!.id;
}

describe('approvals.waiting', () => {
  it('says for everybody who looks what holds a deployment, and why their own yes would not count', async () => {
    const mine = await waiting('shop', 'ada', 'Somebody', ['freeze', 'approvals']);
    const written = await waiting('shop', 'dora', 'ada', ['approvals']);
    const frozen = await waiting('books', 'dora', 'Somebody', ['freeze']);
    await test.database
      .insert(approvals)
      .values({ deployment: mine, approver: 'eve', decision: 'APPROVED', comment: 'fine' });
    const seen = async (name: string) =>
      (await as(name).approvals.waiting.query()).map(({ id, asksForApproval, mine: said, whyNotMine }) => [
        id,
        asksForApproval,
        said,
        whyNotMine,
      ]);
    expect(await seen('ada')).toEqual([
      [mine, true, null, 'You asked for it: somebody else has to decide.'],
      [written, true, null, 'You wrote the commit: somebody else has to decide.'],
      [frozen, false, null, null],
    ]);
    expect(await seen('eve')).toEqual([
      [mine, true, 'APPROVED', null],
      [written, true, null, null],
      [frozen, false, null, null],
    ]);
    expect((await seen('dora'))[0]).toEqual([mine, true, null, 'You need the role approver.']);
    const settings = { approvals: { needed: 2, from: ['ada'] } };
    await test.database.update(projects).set({ settings }).where(eq(projects.name, 'shop'));
    const [first] = await as('eve').approvals.waiting.query();
    expect(first).toMatchObject({ whyNotMine: 'Only ada may approve in shop.', needed: 2 });
    expect(first!.holding.map(({ gate }) => gate)).toEqual(['approvals', 'freeze']);
    expect(first).not.toHaveProperty('settings');
  });

  it('shows nobody a project that they may not see', async () => {
    await grantToken(test.database, 'zoe', 'viewer', 'zoe-token');
    await test.database.$client`update role_grants set project = 'books'
      where account = (select id from accounts where name = 'zoe')`;
    expect((await as('zoe').approvals.waiting.query()).map(({ project }) => project)).toEqual(['books']);
  });
});

describe('queue.waiting', () => {
  it('lists jobs as they are taken, page by page', async () => {
    await addProject(test.database, 'queued');
    const [low, high, later] = [
      await addJob(test.database, 'queued', { workerLabels: { os: 'linux' } }),
      await addJob(test.database, 'queued'),
      await addJob(test.database, 'queued'),
    ];
    await test.database.$client`update jobs_waiting set priority = 10 where job_id = ${high!.id}`;
    const first = await as('dora').queue.waiting.query({ limit: 2 });
    expect(first).toMatchObject([
      { id: high!.id, priority: 10, project: 'queued' },
      { id: low!.id, priority: 0, workerLabels: { os: 'linux' } },
    ]);
    const { priority, id } = first[1]!;
    expect(await as('dora').queue.waiting.query({ after: { priority, id } })).toMatchObject([{ id: later!.id }]);
  });
});

describe('regions.list', () => {
  it('says what each store lacks and what the keys say, also while a key store is away', async () => {
    await test.database.$client`insert into machines (id, region, labels, agent_version, address, hub, connected)
      values ('eu-1', 'eu', '{}', '1', 'a', 'hub-eu-1', true), ('eu-2', 'eu', '{}', '1', 'a', 'hub-eu-1', false)`;
    await test.database.update(replicas).set({ status: 'REPLICATED' });
    const { build } = await addBuild(test.database, 'shop');
    await test.database
      .update(replicas)
      .set({ status: 'FAILED', failureReason: 'no space' })
      .where(eq(replicas.region, 'us'));
    const [eu, us] = await as('dora').regions.list.query();
    expect(eu).toMatchObject({
      region: 'eu',
      machines: 2,
      online: 1,
      hubs: [{ hub: 'hub-eu-1', machines: 2 }],
      store: { pending: 1, failed: 0, bytesLeft: build.packBytes + build.manifestBytes },
      keysError: null,
    });
    expect(eu!.keys).toMatchObject([
      { project: 'books', sequence: 7 },
      { project: 'shop', stable: 'shop@0123456789ab', quarantined: 1 },
    ]);
    expect(us).toMatchObject({ machines: 0, hubs: [], keysError: 'etcd is away', store: { lastFailure: 'no space' } });
    expect(us!.keys).toMatchObject([{ project: 'shop', sequence: 7 }]);
    const shown = JSON.stringify([eu, us, await as('ada').overview.get.query()]);
    expect(shown).toContain('shop@0123456789ab');
    expect(shown).not.toContain(swarmSecret);
    expect((await as('zoe').regions.list.query())[0]!.keys.map(({ project }) => project)).toEqual(['books']);
  });
});
