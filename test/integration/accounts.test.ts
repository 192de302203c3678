import { connectApi } from '@starling/local/api-client.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { TestClock } from '@starling/shared/clock.ts';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts, sessions } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addProject } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const password = 'quiet river under stones';
let api: TestApi;
const admin = () => api.as('admin-token');
let count = 0;
async function addPerson(name = `person-${count++}`) {
  await admin().accounts.add.mutate({ name, password });
  return name;
}

beforeAll(async () => {
  await addProject(test.database, 'shop');
  await addProject(test.database, 'books');
  await grantToken(test.database, 'root', 'admin', 'admin-token');
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());

async function post(path: string, body: unknown, headers: Record<string, string> = {}, url = api.url) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
  return {
    status: response.status,
    cookie,
    attributes: response.headers.get('set-cookie') ?? '',
    answer: (await response.json()) as Record<string, unknown>,
    response,
  };
}
const signIn = (name: string, with_ = password) => post('/session', { name, password: with_ });
const whoAmI = (cookie: string) => fetch(`${api.url}/api/v1/session.whoAmI`, { headers: { cookie } });

describe('signing in', () => {
  it('with name and password opens a session that no script can read, and signing out ends it', async () => {
    const name = await addPerson();
    const { status, cookie, attributes } = await signIn(name.toUpperCase());
    expect(status).toBe(200);
    expect(attributes).toMatch(/HttpOnly; SameSite=Strict/);
    const me = await whoAmI(cookie);
    expect(await me.json()).toMatchObject({ name, grants: [] });
    await fetch(`${api.url}/session`, { method: 'DELETE', headers: { cookie } });
    expect((await whoAmI(cookie)).status).toBe(401);
    expect(await test.database.select().from(sessions)).toEqual([]);
  });

  it('says the same whatever was wrong', async () => {
    const name = await addPerson();
    const wrong = await signIn(name, 'not the password');
    const nobody = await signIn('nobody-here', 'not the password');
    const odd = await signIn("' or true --", 'not the password');
    expect(wrong.status).toBe(401);
    for (const other of [nobody, odd]) expect([other.status, other.answer]).toEqual([wrong.status, wrong.answer]);
  });

  it('locks an account after five wrong passwords, also when they come at once, until an administrator unlocks it', async () => {
    const name = await addPerson();
    await Promise.all(Array.from({ length: 6 }, (_, index) => signIn(name, `wrong password ${index}`)));
    expect((await signIn(name)).status, 'the right one does not help now').toBe(401);
    const [row] = await test.database.select().from(accounts).where(eq(accounts.name, name));
    expect(row!.lockedUntil!.getTime()).toBeGreaterThan(Date.now());
    const audited = await test.database.execute(
      sql`select count(*)::int as times from audit_log where action = 'account.lock' and target = ${name}`,
    );
    expect(audited[0]!.times).toBeGreaterThan(0);
    await admin().accounts.unlock.mutate({ name });
    expect((await signIn(name)).status).toBe(200);
  });

  it('makes an address that is often wrong wait, whatever names it tries', async () => {
    const clock = new TestClock();
    const own = await startTestApi(test.database, { clock });
    try {
      const name = await addPerson();
      for (let tries = 0; tries < 20; tries += 1) await post('/session', { token: `stl_${tries}` }, {}, own.url);
      const late = await post('/session', { name, password }, {}, own.url);
      expect(late.status).toBe(429);
      expect(Number(late.response.headers.get('retry-after'))).toBeGreaterThan(0);
      await clock.advance(60_000);
      expect((await post('/session', { name, password }, {}, own.url)).status).toBe(200);
    } finally {
      await own.stop();
    }
  });

  it('ends sessions that are not used, that are old, whose password changed or whose person is disabled', async () => {
    const name = await addPerson();
    const session = async () => (await signIn(name)).cookie;
    const idle = await session();
    await test.database.execute(sql`update sessions set last_used_at = now() - interval '61 minutes'`);
    expect((await whoAmI(idle)).status).toBe(401);
    const old = await session();
    await test.database.execute(sql`update sessions set expires_at = now() - interval '1 second'`);
    expect((await whoAmI(old)).status).toBe(401);
    const changed = await session();
    await admin().accounts.setPassword.mutate({ name, password: 'another quiet river' });
    expect((await whoAmI(changed)).status).toBe(401);
    await admin().accounts.setPassword.mutate({ name, password });
    const disabled = await session();
    const token = await post('/session/token', { name, password, for: 'cli' });
    await admin().accounts.disable.mutate({ name });
    expect((await whoAmI(disabled)).status).toBe(401);
    expect((await signIn(name)).status).toBe(401);
    await expect(api.as(token.answer.token as string).session.whoAmI.query()).rejects.toThrow('not signed in');
  });

  it('lets a person change their password and sign out everywhere', async () => {
    const name = await addPerson();
    const { token } = (await post('/session/token', { name, password, for: 'laptop' })).answer as { token: string };
    const mine = connectApi(api.url, token);
    await expect(mine.accounts.changePassword.mutate({ current: 'wrong', new: 'some other river' })).rejects.toThrow(
      'not your password',
    );
    await expect(mine.accounts.changePassword.mutate({ current: password, new: 'short' })).rejects.toThrow(
      'fewer than 12',
    );
    await mine.accounts.changePassword.mutate({ current: password, new: 'some other river' });
    expect((await signIn(name)).status).toBe(401);
    const [one, two] = [await signIn(name, 'some other river'), await signIn(name, 'some other river')];
    await fetch(`${api.url}/session?everywhere=true`, { method: 'DELETE', headers: { cookie: one.cookie } });
    for (const { cookie } of [one, two]) expect((await whoAmI(cookie)).status).toBe(401);
  });

  it('is refused from a page of another site', async () => {
    const { cookie } = await signIn(await addPerson());
    const response = await fetch(`${api.url}/api/v1/session.whoAmI`, {
      headers: { cookie, origin: 'https://elsewhere.example' },
    });
    expect(response.status).toBe(403);
  });
});

describe('tokens', () => {
  it('are shown once, kept as hashes, and end when revoked or expired', async () => {
    const made = await admin().tokens.create.mutate({ name: 'ci' });
    expect(made.token).toMatch(/^stl_[A-Za-z0-9_-]{43}$/);
    const listed = await admin().tokens.list.query({});
    expect(JSON.stringify(listed)).not.toContain(made.token);
    const dump = await test.database.execute(sql`select jsonb_agg(t) as rows from api_tokens t`);
    const audit = await test.database.execute(sql`select jsonb_agg(t) as rows from audit_log t`);
    expect(JSON.stringify([dump, audit])).not.toContain(made.token);
    const mine = api.as(made.token);
    expect(await mine.session.whoAmI.query()).toMatchObject({ name: 'root' });
    await expect(admin().tokens.create.mutate({ name: 'ci' })).rejects.toThrow('a token "ci" already');
    await admin().tokens.revoke.mutate({ id: made.id });
    await expect(mine.session.whoAmI.query()).rejects.toThrow('not signed in');
    const next = await admin().tokens.create.mutate({ name: 'ci', days: 1 });
    await test.database.execute(sql`update api_tokens set expires_at = now() where id = ${next.id}`);
    await expect(api.as(next.token).session.whoAmI.query()).rejects.toThrow('not signed in');
  });

  it('may do less than their owner, and cannot make ones that do more', async () => {
    const { token } = await admin().tokens.create.mutate({ name: 'look', role: 'viewer' });
    const look = api.as(token);
    expect(await look.projects.list.query()).toHaveLength(2);
    await expect(look.accounts.list.query()).rejects.toThrow('"administer"');
    await expect(look.tokens.create.mutate({ name: 'more' })).rejects.toThrow('only make tokens with the role viewer');
    expect((await post('/session', { token })).status, 'nor open a session').toBe(401);
  });

  it('are one’s own business', async () => {
    const name = await addPerson();
    const { token } = (await post('/session/token', { name, password, for: 'laptop' })).answer as { token: string };
    const mine = api.as(token);
    const admins = await admin().tokens.create.mutate({ name: 'secret plans' });
    expect((await mine.tokens.list.query({})).map(({ account }) => account)).toEqual([name]);
    await expect(mine.tokens.revoke.mutate({ id: admins.id })).rejects.toThrow(`You have no token ${admins.id}`);
    await expect(mine.tokens.create.mutate({ name: 'x', account: 'root' })).rejects.toThrow('Only an administrator');
  });
});

describe('roles', () => {
  it('hold in their project alone', async () => {
    const name = await addPerson();
    await admin().accounts.grant.mutate({ name, role: 'admin', project: 'shop' });
    const { token } = (await post('/session/token', { name, password, for: 'laptop' })).answer as { token: string };
    const mine = api.as(token);
    expect((await mine.projects.list.query()).map((project) => project.name)).toEqual(['shop']);
    await mine.projects.configure.mutate({ project: 'shop', settings: { retention: { keepBuilds: 3 } } });
    await expect(mine.projects.configure.mutate({ project: 'books', settings: {} })).rejects.toThrow('in books');
    await expect(mine.accounts.grant.mutate({ name, role: 'admin' })).rejects.toThrow('in all projects');
    await mine.accounts.grant.mutate({ name, role: 'viewer', project: 'shop' });
  });

  it('never leave Starling without an administrator, whoever hurries', async () => {
    await expect(admin().accounts.disable.mutate({ name: 'root' })).rejects.toThrow('Nobody would be left');
    const [one, two] = [await addPerson(), await addPerson()];
    for (const name of [one, two]) await admin().accounts.grant.mutate({ name, role: 'admin' });
    await admin().accounts.revoke.mutate({ name: 'root', role: 'admin' });
    const as = async (name: string) =>
      api.as(((await post('/session/token', { name, password, for: 'race' })).answer as { token: string }).token);
    const [first, second] = [await as(one), await as(two)];
    const settled = await Promise.allSettled([
      first.accounts.disable.mutate({ name: two }),
      second.accounts.disable.mutate({ name: one }),
    ]);
    expect(settled.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
    const [left] = await test.database.execute(sql`
      select count(*)::int as admins from accounts a join role_grants g on g.account = a.id
      where g.role = 'admin' and g.project = '*' and a.disabled_at is null`);
    expect(left!.admins).toBeGreaterThanOrEqual(1);
    await grantToken(test.database, 'root', 'admin', 'admin-token');
  });

  it('and every change to them are audited', async () => {
    const name = await addPerson();
    await admin().accounts.grant.mutate({ name, role: 'deployer', project: 'shop' });
    await admin().accounts.revoke.mutate({ name, role: 'deployer', project: 'shop' });
    const rows = await test.database.execute(
      sql`select action, project, actor from audit_log where target = ${name} order by id`,
    );
    expect(rows).toMatchObject([
      { action: 'account.add', actor: 'root' },
      { action: 'account.grant', project: 'shop' },
      { action: 'account.revoke', project: 'shop' },
    ]);
  });
});
