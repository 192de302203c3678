import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityPath, readIdentity } from '@starling/host/kept-identity.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { controlAt } from '@starling/server/hub-control.ts';
import { type OwnIdentityOptions, ownIdentity } from '@starling/server/identities/own-identity.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { newToken } from '@starling/server/lib/random-token.ts';
import { publicKeyOf, readCredential } from '@starling/shared/agent-identity.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { asc, eq, like, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditLog, enrolmentTokens, identities, machines } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addRegions } from '../postgres/sample-rows.ts';

// Hubs, workers and agents: how they are let in, and how they are shut out.

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const signing = generateSigningKey();
const trusted = new TrustedKeys('agent-credential', [signing.publicPem]);
let api: TestApi;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-identities-'));
  await addRegions(test.database, ['eu', 'us']);
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'deployer', 'deployer-token');
});
beforeEach(async () => {
  await api?.stop();
  // Each test with an address that has not tried anything wrong yet.
  api = await startTestApi(test.database, { agentCredentials: new Signer('agent-credential', signing.privatePem) });
  await test.database.delete(identities);
});
afterAll(async () => {
  await api?.stop();
  await rm(folder, { recursive: true, force: true });
});

type Kind = 'hub' | 'worker' | 'agent';
const admin = () => api.as('admin-token').identities;
const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex');
const regionOf = (kind: Kind) => (kind === 'worker' ? null : 'eu');
const invite = (kind: Kind, more: { uses?: number; expiresInHours?: number } = {}) =>
  admin().invite.mutate({ kind, ...(kind !== 'worker' && { region: 'eu' }), ...more });

async function post(body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${api.url}/enrol`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { ...((await answer.json()) as Record<string, unknown>), status: answer.status };
}
const enrol = (kind: Kind, name: string, secret: string, token?: string, more: object = {}) =>
  post({ kind, name, region: regionOf(kind), credentialHash: hashOf(secret), ...(token && { token }), ...more });
const usesLeft = async (id: number) =>
  (await test.database.select().from(enrolmentTokens).where(eq(enrolmentTokens.id, id)))[0]!.usesLeft;
const audited = async () =>
  (
    await test.database.select().from(auditLog).where(like(auditLog.action, 'identity.%')).orderBy(asc(auditLog.id))
  ).map(({ actor, action, target }) => `${actor} ${action} ${target}`);

/** A hub that has enrolled, as control sees it. */
async function hub(name = 'hub-eu') {
  const secret = newToken();
  expect(await enrol('hub', name, secret, (await invite('hub')).token)).toMatchObject({ status: 200 });
  return controlAt(api.url, secret, systemClock);
}
const agentRequest = (name: string, token: string | undefined, key = generateSigningKey()) => ({
  ...(token && { token }),
  name,
  region: 'eu',
  publicKey: publicKeyOf(key.privatePem),
});

describe('an invitation', () => {
  it('is made by administrators, shown once, and kept as a hash', async () => {
    const made = await invite('agent', { uses: 100_000, expiresInHours: 2 });
    expect(made).toMatchObject({ kind: 'agent', region: 'eu', usesLeft: 100_000, createdBy: 'ada' });
    expect(made.token).toMatch(/^stl_/);
    const lifetime = Date.parse(made.expiresAt as never) - Date.parse(made.createdAt as never);
    expect(lifetime).toBe(2 * 3_600_000);
    const rows = await test.database.select().from(enrolmentTokens).where(eq(enrolmentTokens.id, made.id));
    expect(rows[0]!.tokenHash).toBe(hashOf(made.token));
    expect(JSON.stringify(await admin().invitations.query({}))).not.toContain('stl_');
    expect(JSON.stringify(await test.database.select().from(auditLog))).not.toContain(made.token);
    await expect(api.as('deployer-token').identities.invite.mutate({ kind: 'worker' })).rejects.toMatchObject({
      data: { starlingCode: 'FORBIDDEN' },
    });
  });

  it.each([
    [{ kind: 'hub' }, 'A hub is of a region: which one?', 'Regions: eu, us.'],
    [{ kind: 'agent', region: 'mars' }, 'There is no region "mars".', 'Regions: eu, us.'],
    [{ kind: 'worker', region: 'eu' }, 'Workers are of no region.', null],
  ] as const)('is refused: %j', async (input, message, fix) => {
    await expect(admin().invite.mutate(input)).rejects.toMatchObject({ message, data: { field: 'region', fix } });
  });

  it.each([{ uses: 0 }, { uses: 100_001 }, { expiresInHours: 0 }, { expiresInHours: 721 }])(
    'is bounded: %j',
    async (more) => {
      await expect(admin().invite.mutate({ kind: 'worker', ...more })).rejects.toMatchObject({
        data: { starlingCode: 'INVALID_INPUT' },
      });
    },
  );

  it('for agents needs a key to sign with', async () => {
    await api.stop();
    api = await startTestApi(test.database);
    await expect(invite('agent')).rejects.toMatchObject({
      data: { starlingCode: 'PRECONDITION_FAILED', fix: expect.stringContaining('STARLING_IDENTITY_SIGNING_KEY') },
    });
  });

  it('lets nobody in once it was withdrawn, and that twice is harmless', async () => {
    const { id, token } = await invite('worker', { uses: 5 });
    expect(await enrol('worker', 'w1', 's1', token)).toMatchObject({ status: 200 });
    expect((await admin().invitations.query({})).map((open) => open.id)).toContain(id);
    expect(await admin().withdraw.mutate({ id })).toEqual({ id, withdrawn: true });
    expect(await admin().withdraw.mutate({ id })).toEqual({ id, withdrawn: false });
    expect((await admin().invitations.query({})).map((open) => open.id)).not.toContain(id);
    expect((await admin().invitations.query({ all: true, before: id + 1 }))[0]).toMatchObject({ id, usesLeft: 0 });
    expect(await enrol('worker', 'w2', 's2', token)).toMatchObject({ status: 401 });
    await expect(admin().withdraw.mutate({ id: 999_999 })).rejects.toMatchObject({
      data: { starlingCode: 'NOT_FOUND' },
    });
  });
});

describe('enrolling', () => {
  it('takes one use, and leaves an identity and an audit entry', async () => {
    const before = (await audited()).length;
    const { id, token } = await invite('hub', { uses: 2 });
    expect(await enrol('hub', 'hub-1', 's1', token)).toMatchObject({ status: 200, name: 'hub-1', region: 'eu' });
    expect(await usesLeft(id)).toBe(1);
    expect((await audited()).slice(before)).toEqual([
      `ada identity.invite invitation ${id}`,
      'hub:hub-1 identity.enrol hub/hub-1',
    ]);
    expect(await admin().list.query({ kind: 'hub' })).toMatchObject([
      { kind: 'hub', name: 'hub-1', region: 'eu', invitation: id, revokedAt: null },
    ]);
  });

  it('said again by the same succeeds without a use, with or without the token, which is used up', async () => {
    const { id, token } = await invite('worker');
    const answers = [
      await enrol('worker', 'w1', 's1', token),
      await enrol('worker', 'w1', 's1', token),
      await enrol('worker', 'w1', 's1'),
    ];
    expect(answers.map(({ status, enrolledAt }) => [status, enrolledAt])).toEqual(
      Array.from({ length: 3 }, () => [200, answers[0]!.enrolledAt]),
    );
    expect(await usesLeft(id)).toBe(0);
  });

  it('is refused with a token that is used up, expired, unknown, missing or for others', async () => {
    const used = await invite('worker');
    await enrol('worker', 'w1', 's1', used.token);
    expect(await enrol('worker', 'w2', 's2', used.token)).toMatchObject({
      status: 401,
      message: 'This enrolment token was used up.',
      fix: expect.stringContaining('starling enrol worker'),
    });
    const old = await invite('worker');
    await test.database
      .update(enrolmentTokens)
      .set({ expiresAt: sql`now() - interval '1 second'` })
      .where(eq(enrolmentTokens.id, old.id));
    expect(await enrol('worker', 'w2', 's2', old.token)).toMatchObject({
      status: 401,
      message: 'This enrolment token has expired.',
    });
    expect(await enrol('worker', 'w2', 's2', 'guess')).toMatchObject({
      status: 401,
      message: 'This enrolment token is not known here.',
    });
    expect(await enrol('worker', 'w2', 's2')).toMatchObject({ status: 401 });
    const forHub = await invite('hub');
    expect(await enrol('worker', 'w2', 's2', forHub.token)).toMatchObject({
      status: 403,
      message: 'This token is for a hub.',
    });
    expect(await enrol('hub', 'hub-us', 's2', forHub.token, { region: 'us' })).toMatchObject({
      status: 403,
      message: 'This is for hubs of the region eu, and hub-us is of us.',
    });
    expect(await usesLeft(forHub.id)).toBe(1);
    expect(await post({ kind: 'agent', name: 'm1', region: 'eu', credentialHash: hashOf('x') })).toMatchObject({
      status: 400,
    });
    expect((await admin().list.query({})).map(({ name }) => name)).toEqual(['w1']);
  });

  it('under a name or with a credential of another is refused, and takes no use', async () => {
    const { id, token } = await invite('worker', { uses: 3 });
    await enrol('worker', 'w1', 's1', token);
    expect(await enrol('worker', 'w1', 'other', token)).toMatchObject({
      status: 409,
      message: 'Another worker is enrolled as w1.',
      fix: expect.stringContaining('starling identity revoke worker w1'),
    });
    expect(await enrol('worker', 'w2', 's1', token)).toMatchObject({
      status: 409,
      message: 'This worker is enrolled under another name already.',
    });
    expect(await usesLeft(id)).toBe(2);
  });

  it('by two at once for the last use lets one in', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id, token } = await invite('worker');
      const names = ['a', 'b', 'c', 'd'].map((letter) => `race-${round}-${letter}`);
      const answers = await Promise.all(names.map((name) => enrol('worker', name, `secret of ${name}`, token)));
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401, 401]);
      expect(await usesLeft(id)).toBe(0);
    }
    expect(await admin().list.query({})).toHaveLength(5);
  });

  it('by one twice at once takes one use', async () => {
    const { id, token } = await invite('worker', { uses: 5 });
    const answers = await Promise.all(Array.from({ length: 4 }, () => enrol('worker', 'w1', 's1', token)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await usesLeft(id)).toBe(4);
  });

  it('with wrong tokens makes the address wait', async () => {
    const statuses: unknown[] = [];
    while (statuses.at(-1) !== 429 && statuses.length < 50)
      statuses.push((await enrol('worker', 'w1', 's1', 'guess')).status);
    expect(statuses.length).toBeGreaterThan(10);
    expect(statuses.at(-1)).toBe(429);
  });
});

describe('a hub', () => {
  it('reports its own region, as itself alone', async () => {
    const secret = newToken();
    await enrol('hub', 'hub-eu', secret, (await invite('hub')).token);
    const report = { hub: 'hub-eu', region: 'eu', machines: [], reports: [], progress: [] };
    const { hubs } = api.as(secret);
    expect(await hubs.report.mutate(report)).toEqual({ accepted: 0 });
    await expect(hubs.report.mutate({ ...report, region: 'us' })).rejects.toMatchObject({
      message: 'hub-eu is of the region eu, not us.',
      data: { starlingCode: 'FORBIDDEN' },
    });
    await expect(hubs.report.mutate({ ...report, hub: 'hub-us' })).rejects.toMatchObject({
      data: { starlingCode: 'FORBIDDEN', field: 'hub' },
    });
    await expect(api.as(secret).identities.list.query({})).rejects.toMatchObject({
      data: { starlingCode: 'FORBIDDEN' },
    });
    expect(await test.database.select().from(machines)).toEqual([]);
  });

  it('that is revoked is not known any more, and does not ask again and again', async () => {
    const control = await hub();
    expect(await control.revokedAgents(0)).toMatchObject({ isComplete: true });
    expect(await admin().revoke.mutate({ kind: 'hub', name: 'hub-eu' })).toMatchObject({
      revoked: true,
      openInvitation: null,
    });
    for (let call = 0; call < 40; call += 1)
      await expect(control.revokedAgents(0)).rejects.toThrow('it was revoked, or enrolled elsewhere');
    // An administrator at the same address is not kept waiting by it.
    expect(await admin().revoke.mutate({ kind: 'hub', name: 'hub-eu' })).toMatchObject({ revoked: false });
  });
});

describe('an agent', () => {
  it('enrols through a hub of its region, and gets the same credential however often it asks', async () => {
    const control = await hub();
    const { id, token } = await invite('agent');
    const request = agentRequest('m1', token);
    const credential = await control.enrolAgent(request);
    expect(readCredential(credential, trusted)).toMatchObject({
      machine: 'm1',
      region: 'eu',
      publicKey: request.publicKey,
    });
    expect(await control.enrolAgent({ ...request, token: undefined })).toEqual(credential);
    expect(await usesLeft(id)).toBe(0);
    expect((await audited()).at(-1)).toBe('agent:m1 identity.enrol agent/m1');
    await expect(control.enrolAgent(agentRequest('m2', token))).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'This enrolment token was used up.',
    });
    await expect(control.enrolAgent({ ...request, region: 'us' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('is nobody to control, whatever of its key it shows', async () => {
    const control = await hub();
    const request = agentRequest('m1', (await invite('agent')).token);
    await control.enrolAgent(request);
    for (const shown of [request.publicKey, `starling agent key\\n${request.publicKey}`])
      await expect(api.as(shown).session.whoAmI.query()).rejects.toMatchObject({
        data: { starlingCode: 'UNAUTHENTICATED' },
      });
  });

  it('that is revoked is told to the hubs of its region, by number and for ever', async () => {
    const control = await hub();
    const { id, token } = await invite('agent', { uses: 10 });
    const requests = ['m1', 'm2', 'm3'].map((name) => agentRequest(name, token));
    for (const request of requests) await control.enrolAgent(request);
    const { revoked: earlier } = await control.revokedAgents(0);
    const upTo = earlier.at(-1)?.id ?? 0;
    expect(await admin().revoke.mutate({ kind: 'agent', name: 'm1' })).toMatchObject({
      revoked: true,
      openInvitation: { id, usesLeft: 7 },
    });
    expect(await admin().revoke.mutate({ kind: 'agent', name: 'm1' })).toMatchObject({ revoked: false });
    expect((await audited()).filter((line) => line === 'ada identity.revoke agent/m1')).toHaveLength(1);
    const first = await control.revokedAgents(upTo);
    expect(first).toMatchObject({ revoked: [{ machine: 'm1' }], isComplete: true });
    await Promise.all(['m2', 'm3'].map((name) => admin().revoke.mutate({ kind: 'agent', name })));
    const next = await control.revokedAgents(first.revoked[0]!.id);
    expect(next.revoked.map(({ machine }) => machine).toSorted()).toEqual(['m2', 'm3']);
    expect(next.revoked[1]!.id).toBeGreaterThan(next.revoked[0]!.id);
  });

  it('comes back with a new key and a newer invitation only', async () => {
    const control = await hub();
    const old = await invite('agent', { uses: 10 });
    const request = agentRequest('m9', old.token);
    await control.enrolAgent(request);
    await admin().revoke.mutate({ kind: 'agent', name: 'm9' });
    await expect(control.enrolAgent(agentRequest('m9', old.token))).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'agent m9 was revoked after this enrolment token was made.',
    });
    const fresh = await invite('agent');
    await expect(control.enrolAgent({ ...request, token: fresh.token })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'The identity that agent m9 shows was revoked.',
    });
    expect(await usesLeft(fresh.id)).toBe(1);
    const again = await control.enrolAgent(agentRequest('m9', fresh.token));
    expect(readCredential(again, trusted)).toMatchObject({ machine: 'm9' });
    // Its first key never comes back, not even under another name.
    await expect(
      control.enrolAgent({ ...request, name: 'm10', token: (await invite('agent')).token }),
    ).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('the list', () => {
  it('is paged by kind and name, and filtered', async () => {
    await test.database.execute(sql`
      insert into identities (kind, name, region, token_hash)
      select 'agent', 'm' || lpad(n::text, 4, '0'), case when n % 2 = 0 then 'eu' else 'us' end, md5(n::text)
      from generate_series(1, 1200) n`);
    await enrol('worker', 'w1', 's1', (await invite('worker')).token);
    const names: string[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await admin().list.query({ limit: 500, ...(after && { after }) });
      names.push(...page.map(({ kind, name }) => `${kind}/${name}`));
      if (page.length < 500) break;
      after = names.at(-1);
    }
    expect(names).toHaveLength(1_201);
    expect(names).toEqual(names.toSorted());
    expect(await admin().list.query({ region: 'us', limit: 2 })).toMatchObject([{ name: 'm0001' }, { name: 'm0003' }]);
    await admin().revoke.mutate({ kind: 'agent', name: 'm0002' });
    expect(await admin().list.query({ revoked: true })).toMatchObject([{ name: 'm0002', revokedBy: 'ada' }]);
    expect((await admin().list.query({ kind: 'agent', revoked: false, limit: 1 }))[0]).toMatchObject({ name: 'm0001' });
    expect(JSON.stringify(await admin().list.query({}))).not.toContain('tokenHash');
    await expect(admin().list.query({ after: 'm0001' })).rejects.toMatchObject({ data: { field: 'after' } });
  });
});

describe('a process and its own identity', () => {
  const own = (name: string, more: Partial<OwnIdentityOptions> = {}) =>
    ownIdentity({
      kind: 'worker',
      name,
      region: null,
      dataDir: folder,
      controlUrl: api.url,
      tokenFile: join(folder, `${name}.token`),
      clock: systemClock,
      log,
      ...more,
    });
  const giveToken = (name: string, token: string) => writeFile(join(folder, `${name}.token`), `${token}\n`);

  it('enrols on its first start, and needs neither control nor token later', async () => {
    await giveToken('p1', (await invite('worker')).token);
    const secret = await own('p1');
    expect((await admin().list.query({ kind: 'worker' })).map(({ name }) => name)).toEqual(['p1']);
    expect(await own('p1', { controlUrl: undefined, tokenFile: undefined })).toBe(secret);
  });

  it('keeps its secret before anybody hears of it, so a lost answer costs no second use', async () => {
    const { id, token } = await invite('worker');
    await giveToken('p2', token);
    const away = own('p2', { controlUrl: 'http://127.0.0.1:1', patienceMs: 0 });
    await expect(away).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const kept = await readIdentity(identityPath(folder, 'worker', 'p2'));
    expect(kept?.proof).toBeNull();
    // Control heard of it, and the process was killed before it knew.
    expect(await enrol('worker', 'p2', kept!.secret, token)).toMatchObject({ status: 200 });
    expect(await own('p2')).toBe(kept!.secret);
    expect(await usesLeft(id)).toBe(0);
  });

  it('waits for control for as long as it may', async () => {
    await giveToken('p3', (await invite('worker')).token);
    const port = Number(new URL(api.url).port);
    await api.stop();
    const waiting = own('p3', { controlUrl: `http://127.0.0.1:${port}` });
    api = await startTestApi(test.database, { port });
    expect(await waiting).toMatch(/^stl_/);
  });

  it('says what to set when it is not enrolled, and why control refuses it', async () => {
    for (const more of [{ controlUrl: undefined }, { tokenFile: undefined }]) {
      await expect(own('p4', more)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
        message: expect.stringContaining('worker p4 is not enrolled'),
        fix: expect.stringMatching(/starling enrol worker.*STARLING_ENROLMENT_TOKEN_FILE/),
      });
    }
    await giveToken('p4', 'guess');
    await expect(own('p4')).rejects.toThrow('This enrolment token is not known here.');
  });
});
