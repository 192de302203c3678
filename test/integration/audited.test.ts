import { generateKeyPairSync } from 'node:crypto';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { rootRouter } from '@starling/server/api/root.ts';
import type { WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import { Signer } from '@starling/shared/signing.ts';
import { desc, eq, gt, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  alertDeliveries,
  alerts,
  auditLog,
  builds,
  deployments,
  jobs,
  machines,
  projects,
  replicas,
  workers,
} from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addIdentity, addJob, addProject, addRegions } from '../postgres/sample-rows.ts';

// Every mutation of the API is tried twice: while nothing can be written to the audit log, when it must change nothing; and
// then for good, when it must change something and say so. Whoever adds a mutation finds here that it is missing.

const test = useFreshDatabase();
let api: TestApi;
let count = 0;
const fresh = (what: string) => `${what}-${count++}`;
const password = 'correct horse battery staple';
type Client = ReturnType<TestApi['as']>;

beforeAll(async () => {
  await addRegions(test.database, ['eu']);
  await test.database
    .insert(machines)
    .values({ id: 'm', region: 'eu', labels: {}, agentVersion: '1', address: 'a', hub: 'h', connected: true });
  await grantToken(test.database, 'ada', 'admin', 'ada-token');
  await grantToken(test.database, 'bob', 'admin', 'bob-token');
  await addIdentity(test.database, { kind: 'hub', name: 'h', region: 'eu' }, 'hub-token');
  const { privateKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  api = await startTestApi(test.database, {
    webhookSecret: 'the master secret of the webhooks',
    agentCredentials: new Signer('agent-credential', privateKey),
  });
  await test.database.execute(sql`
    create function refuse_audit() returns trigger language plpgsql as $$ begin raise exception 'no audit'; end $$`);
});
afterAll(() => api.stop());
afterEach(() => test.database.execute(sql`drop trigger if exists no_audit on audit_log`));

/** All rows of all tables, but the log itself and what only says when somebody was here. */
async function everything(): Promise<string> {
  const tables = await test.database.execute<{ name: string }>(sql`
    select tablename as name from pg_tables where schemaname = 'public' and tablename not like 'audit%' order by 1`);
  const parts = await Promise.all(
    tables.map(({ name }) =>
      test.database.execute(sql`
        select ${name} as name, array_agg(row order by row::text) as rows
        from (select to_jsonb(t) - 'last_used_at' - 'last_seen_at' as row from ${sql.identifier(name)} t) r`),
    ),
  );
  return JSON.stringify(parts);
}

async function project(settings: object = {}): Promise<string> {
  const name = fresh('shop');
  await addProject(test.database, name);
  await test.database
    .update(projects)
    .set({ settings: settings as never })
    .where(eq(projects.name, name));
  return name;
}
async function deployable(name: string): Promise<string> {
  const { build } = await addBuild(test.database, name);
  await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.buildId, build.buildId));
  return build.buildId;
}
async function waiting(client: Client): Promise<{ id: number }> {
  const name = await project({ approvals: { needed: 2 } });
  const deployment = await client.deployments.deploy.mutate({ project: name, build: await deployable(name) });
  expect(deployment.status).toBe('WAITING');
  return deployment;
}
async function running(client: Client, rollout?: WrittenRolloutSettings): Promise<{ id: number }> {
  const name = await project();
  const build = await deployable(name);
  return client.deployments.deploy.mutate({ project: name, build, ...(rollout && { rollout }) });
}
async function twiceDeployed(client: Client): Promise<string> {
  const name = await project();
  for (const build of [await deployable(name), await deployable(name)]) {
    const { id } = await client.deployments.deploy.mutate({ project: name, build });
    await test.database.update(deployments).set({ status: 'SUCCEEDED' }).where(eq(deployments.id, id));
  }
  return name;
}
async function rolledBack(client: Client): Promise<string> {
  const name = await twiceDeployed(client);
  await client.deployments.rollback.mutate({ project: name });
  return name;
}
async function account(client: Client): Promise<string> {
  const name = fresh('person');
  await client.accounts.add.mutate({ name, password });
  return name;
}
async function worker(): Promise<string> {
  const name = fresh('worker');
  await test.database.insert(workers).values({ name, labels: {}, host: 'here', version: '1' });
  return name;
}
async function channel(client: Client): Promise<string> {
  const name = fresh('channel');
  await client.alerts.setChannel.mutate({ name, target: { type: 'webhook', url: 'http://127.0.0.1:9/' } });
  return name;
}

/** For each mutation: prepares, and returns what calls it. */
const cases: Record<string, (client: Client) => Promise<() => Promise<unknown>>> = {
  'accounts.add': async (client) => () => client.accounts.add.mutate({ name: fresh('person'), password }),
  'accounts.setPassword': async (client) => {
    const name = await account(client);
    return () => client.accounts.setPassword.mutate({ name, password: `${password}!` });
  },
  'accounts.changePassword': async (client) => {
    const name = await account(client);
    const { token } = await client.tokens.create.mutate({ name: 'mine', account: name });
    const own = api.as(token);
    return () => own.accounts.changePassword.mutate({ current: password, new: `${password}!` });
  },
  'accounts.unlock': async (client) => {
    const name = await account(client);
    await test.database.execute(sql`update accounts set locked_until = now() + interval '1 h' where name = ${name}`);
    return () => client.accounts.unlock.mutate({ name });
  },
  'accounts.disable': async (client) => {
    const name = await account(client);
    return () => client.accounts.disable.mutate({ name });
  },
  'accounts.enable': async (client) => {
    const name = await account(client);
    await client.accounts.disable.mutate({ name });
    return () => client.accounts.enable.mutate({ name });
  },
  'accounts.grant': async (client) => {
    const name = await account(client);
    return () => client.accounts.grant.mutate({ name, role: 'viewer' });
  },
  'accounts.revoke': async (client) => {
    const name = await account(client);
    await client.accounts.grant.mutate({ name, role: 'viewer' });
    return () => client.accounts.revoke.mutate({ name, role: 'viewer' });
  },
  'alerts.setChannel': async (client) => () =>
    client.alerts.setChannel.mutate({
      name: fresh('channel'),
      target: { type: 'webhook', url: 'http://127.0.0.1:9/' },
    }),
  'alerts.removeChannel': async (client) => {
    const name = await channel(client);
    return () => client.alerts.removeChannel.mutate({ name });
  },
  'alerts.resend': async (client) => {
    const name = await channel(client);
    const said = { kind: 'build.failed' as const, key: name, title: '', text: '', path: '/' };
    const [alert] = await test.database.insert(alerts).values(said).returning();
    await test.database.insert(alertDeliveries).values({ alert: alert!.id, channel: name, status: 'DEAD' });
    return () => client.alerts.resend.mutate({ channel: name });
  },
  'approvals.approve': async (client) => {
    const { id } = await waiting(client);
    return () => client.approvals.approve.mutate({ id });
  },
  'approvals.reject': async (client) => {
    const { id } = await waiting(client);
    return () => client.approvals.reject.mutate({ id });
  },
  'deployments.deploy': async (client) => {
    const name = await project();
    const build = await deployable(name);
    return () => client.deployments.deploy.mutate({ project: name, build });
  },
  'deployments.rollback': async (client) => {
    const name = await twiceDeployed(client);
    return () => client.deployments.rollback.mutate({ project: name });
  },
  'deployments.abort': async (client) => {
    const name = await project();
    const { id } = await client.deployments.deploy.mutate({ project: name, build: await deployable(name) });
    return () => client.deployments.abort.mutate({ id });
  },
  'deployments.undoRollback': async (client) => {
    const name = await rolledBack(client);
    return () => client.deployments.undoRollback.mutate({ project: name, reason: 'it was the network' });
  },
  'deployments.pause': async (client) => {
    const { id } = await running(client);
    return () => client.deployments.pause.mutate({ id });
  },
  'deployments.resume': async (client) => {
    const { id } = await running(client);
    await client.deployments.pause.mutate({ id });
    return () => client.deployments.resume.mutate({ id });
  },
  'deployments.promote': async (client) => {
    const { id } = await running(client, { waves: [{ fraction: 0.1 }] });
    return () => client.deployments.promote.mutate({ id });
  },
  'line.stop': async (client) => {
    const name = await project();
    return () => client.line.stop.mutate({ project: name, reason: 'errors at the till' });
  },
  'line.start': async (client) => {
    const name = await project();
    await client.line.stop.mutate({ project: name, reason: 'errors at the till' });
    return () => client.line.start.mutate({ project: name });
  },
  'quarantines.lift': async (client) => {
    const name = await rolledBack(client);
    const [held] = (await client.quarantines.list.query()).filter((row) => row.project === name);
    return () => client.quarantines.lift.mutate({ id: held!.buildId, reason: 'it was the network' });
  },
  'freezes.add': async (client) => {
    const name = await project();
    return () => client.freezes.add.mutate({ project: name, reason: 'holidays' });
  },
  'freezes.lift': async (client) => {
    const { id } = await client.freezes.add.mutate({ project: await project(), reason: 'holidays' });
    return () => client.freezes.lift.mutate({ id });
  },
  'hubs.enrolAgent': async (client) => {
    const { token } = await client.identities.invite.mutate({ kind: 'agent', region: 'eu' });
    const { publicKey } = generateKeyPairSync('ed25519');
    const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const name = fresh('machine');
    return () => api.as('hub-token').hubs.enrolAgent.mutate({ token, name, region: 'eu', publicKey: key });
  },
  'identities.invite': async (client) => () => client.identities.invite.mutate({ kind: 'worker' }),
  'identities.withdraw': async (client) => {
    const { id } = await client.identities.invite.mutate({ kind: 'worker' });
    return () => client.identities.withdraw.mutate({ id });
  },
  'identities.revoke': async (client) => {
    const name = fresh('worker');
    await addIdentity(test.database, { kind: 'worker', name, region: null }, name);
    return () => client.identities.revoke.mutate({ kind: 'worker', name });
  },
  'machines.decommission': async (client) => {
    const name = fresh('agent');
    await addIdentity(test.database, { kind: 'agent', name, region: 'eu' }, name);
    return () => client.machines.decommission.mutate({ ids: [name], reason: 'scrapped' });
  },
  'jobs.create': async (client) => {
    const name = await project();
    return () => client.jobs.create.mutate({ project: name });
  },
  'jobs.cancel': async (client) => {
    const { id } = await addJob(test.database, await project());
    return () => client.jobs.cancel.mutate({ id });
  },
  'jobs.prioritise': async (client) => {
    const { id } = await addJob(test.database, await project());
    return () => client.jobs.prioritise.mutate({ id, priority: 50 });
  },
  'jobs.retry': async (client) => {
    const { id } = await addJob(test.database, await project());
    await client.jobs.cancel.mutate({ id });
    return () => client.jobs.retry.mutate({ id });
  },
  'projects.add': async (client) => () => client.projects.add.mutate({ name: fresh('shop'), repositoryUrl: '/r' }),
  'projects.configure': async (client) => {
    const name = await project();
    return () => client.projects.configure.mutate({ project: name, settings: { approvals: { needed: 1 } } });
  },
  'retention.sweep': async (client) => {
    const name = await project({ retention: { keepBuilds: 1, keepFor: '1d' } });
    for (let made = 0; made < 3; made += 1) await deployable(name);
    await test.database
      .update(builds)
      .set({ createdAt: sql`now() - interval '9 days'` })
      .where(eq(builds.project, name));
    return () => client.retention.sweep.mutate();
  },
  'tokens.create': async (client) => () => client.tokens.create.mutate({ name: fresh('token') }),
  'tokens.revoke': async (client) => {
    const { id } = await client.tokens.create.mutate({ name: fresh('token') });
    return () => client.tokens.revoke.mutate({ id });
  },
  'webhooks.secret': async (client) => {
    const name = await project();
    return () => client.webhooks.secret.mutate({ project: name, rotate: true });
  },
  'workers.drain': async (client) => {
    const name = await worker();
    return () => client.workers.drain.mutate({ name });
  },
  'workers.resume': async (client) => {
    const name = await worker();
    await client.workers.drain.mutate({ name });
    return () => client.workers.resume.mutate({ name });
  },
};

/** Those that are tried in another way, each with the reason. */
const exceptions: Record<string, string> = {
  'hubs.report': 'what machines say of themselves, several times a second: it is state, and no decision of anybody',
  'alerts.testChannel': 'changes nothing here; that it was sent is audited, below',
};

const mutations = Object.entries(rootRouter._def.procedures as unknown as Record<string, { _def: { type: string } }>)
  .filter(([, { _def }]) => _def.type === 'mutation')
  .map(([path]) => path);

const lastAudit = async () => (await test.database.select().from(auditLog).orderBy(desc(auditLog.id)).limit(1))[0];

it('every mutation is tried here, or has a reason not to be', () => {
  expect([...Object.keys(cases), ...Object.keys(exceptions)].toSorted()).toEqual(mutations.toSorted());
});

describe.each(Object.keys(cases))('%s', (path) => {
  it('changes nothing that is not audited, and is audited in the same transaction', async () => {
    const call = await cases[path]!(api.as('ada-token'));
    const before = await everything();
    const last = (await lastAudit())?.id ?? 0;

    await test.database.execute(sql`
      create trigger no_audit before insert on audit_log for each statement execute function refuse_audit()`);
    await expect(call()).rejects.toThrow(/unexpected error/);
    expect(await everything()).toBe(before);
    await test.database.execute(sql`drop trigger no_audit on audit_log`);

    await call();
    expect(await everything()).not.toBe(before);
    const said = await test.database.select().from(auditLog).where(gt(auditLog.id, last));
    expect(said.length).toBeGreaterThan(0);
    for (const { actor, action, target } of said) {
      expect(actor).toMatch(/^(ada|person-\d+|hub:h|agent:machine-\d+)$/);
      expect(action).toMatch(/^[a-z-]+\.[a-z-]+$/);
      expect(target).not.toBe('');
    }
    // Who may read the log must not learn from it how to become somebody else.
    expect(JSON.stringify(said)).not.toContain(password);
  });
});

it('a test of a channel is audited too, before anything is sent', async () => {
  const client = api.as('ada-token');
  const name = await channel(client);
  await client.alerts.testChannel.mutate({ name });
  expect(await lastAudit()).toMatchObject({ action: 'alert-channel.test', actor: 'ada', target: name });
});

it('what is said twice is audited once', async () => {
  const client = api.as('ada-token');
  const { id } = await addJob(test.database, await project());
  await client.jobs.cancel.mutate({ id });
  const after = (await lastAudit())!.id;
  await client.jobs.cancel.mutate({ id });
  const name = await worker();
  await client.workers.resume.mutate({ name });
  expect((await lastAudit())!.id).toBe(after);
  expect((await test.database.select().from(jobs).where(eq(jobs.id, id)))[0]!.status).toBe('CANCELLED');
});
