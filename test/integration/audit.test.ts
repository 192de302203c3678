import { grantToken } from '@starling/server/accounts/tokens.ts';
import { streamAudit, verifyAudit } from '@starling/server/audit/read.ts';
import { type AuditEntry, recordAudit } from '@starling/server/audit/record.ts';
import { type AuditLink, hashOfLink } from '@starling/shared/audit-chain.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditHead, auditLog } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';

const test = useFreshDatabase();
let api: TestApi;
beforeAll(async () => {
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());
beforeEach(() => behindTheTrigger(sql`delete from audit_log`, sql`update audit_head set last_id = 0, last_hash = ''`));

/** What somebody with all rights on the database can do. */
async function behindTheTrigger(...statements: ReturnType<typeof sql>[]): Promise<void> {
  await test.database.transaction(async (tx) => {
    await tx.execute(sql`set local session_replication_role = replica`);
    for (const statement of statements) await tx.execute(statement);
  });
}

const entry = (over: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: 'ada',
  action: 'project.add',
  project: 'shop',
  target: 'shop',
  details: { repositoryUrl: '/r' },
  ...over,
});
const record = (over?: Partial<AuditEntry>) => test.database.transaction((tx) => recordAudit(tx, entry(over)));
async function recordMany(count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) await record({ target: `thing-${number}` });
}
const verify = (known?: { id: number; hash: string }) => verifyAudit(test.database, known);
async function rows(): Promise<AuditLink[]> {
  const found: AuditLink[] = [];
  for await (const link of streamAudit(test.database, {})) found.push(link);
  return found;
}

describe('adding to the log', () => {
  it('leaves no gap and no fork however many write at once, and none where a change was rolled back', async () => {
    const writes = Array.from({ length: 60 }, (_, number) =>
      test.database.transaction(async (tx) => {
        await recordAudit(tx, entry({ target: `thing-${number}` }));
        if (number % 4 === 3) throw new Error('the change failed after all');
      }),
    );
    const answers = await Promise.allSettled(writes);
    expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(15);
    const links = await rows();
    expect(links.map(({ id }) => id)).toEqual(Array.from({ length: 45 }, (_, index) => index + 1));
    expect(links.some(({ target }) => Number(target.slice(6)) % 4 === 3)).toBe(false);
    expect(await verify()).toEqual({ checked: 45, end: { id: 45, hash: links.at(-1)!.hash }, defect: null });
  });

  it('keeps what it was given so that it can be hashed again: whatever JSON and PostgreSQL make of it', async () => {
    await record({
      actor: 'zoë\ud800',
      target: 'half \udc00 and NUL \0',
      details: {
        b: 1,
        a: [1e21, -0, 0.1, null, undefined, { z: 1, y: '\0 \ud83d' }],
        at: new Date(0),
        nothing: undefined,
        text: '"\\ \u2028 🦜',
      },
    });
    await record({ project: null, details: {}, requestId: 'r' });
    expect(await verify()).toMatchObject({ checked: 2, defect: null });
    const [first] = await rows();
    expect(first).toMatchObject({ target: 'half \ufffd and NUL \ufffd', details: { at: '1970-01-01T00:00:00.000Z' } });
  });

  it('is all that can be done with it: no row is changed or removed by statement', async () => {
    await recordMany(2);
    for (const statement of [
      sql`update audit_log set actor = 'eve'`,
      sql`delete from audit_log where id = 2`,
      sql`truncate audit_log`,
    ]) {
      const refused = await test.database.execute(statement).catch((thrown: Error) => thrown);
      expect(String((refused as Error).cause)).toContain('the audit log is append-only');
    }
    expect(await verify()).toMatchObject({ checked: 2, defect: null });
  });
});

describe('verifying finds', () => {
  beforeEach(() => recordMany(6));
  const cases: [string, ReturnType<typeof sql>[], number][] = [
    ['another actor', [sql`update audit_log set actor = 'eve' where id = 3`], 3],
    ['another time', [sql`update audit_log set at = at - interval '1 day' where id = 3`], 3],
    ['another action', [sql`update audit_log set action = 'x.y' where id = 1`], 1],
    ['another project', [sql`update audit_log set project = null where id = 6`], 6],
    ['another target', [sql`update audit_log set target = 'else' where id = 4`], 4],
    ['other details', [sql`update audit_log set details = '{"repositoryUrl": "/other"}' where id = 4`], 4],
    ['another request', [sql`update audit_log set request_id = 'r' where id = 4`], 4],
    ['a row removed in the middle', [sql`delete from audit_log where id = 3`], 3],
    ['the first row removed', [sql`delete from audit_log where id = 1`], 1],
    ['the last row removed', [sql`delete from audit_log where id = 6`], 6],
    ['the last rows removed', [sql`delete from audit_log where id > 3`], 4],
    ['everything removed', [sql`delete from audit_log`], 1],
    [
      'a row removed and the others moved up',
      [
        sql`delete from audit_log where id = 3`,
        sql`update audit_log set id = id + 100 where id > 3`,
        sql`update audit_log set id = id - 101 where id > 100`,
        sql`update audit_head set last_id = 5`,
      ],
      3,
    ],
    [
      'a row put in between',
      [
        sql`update audit_log set id = id + 100 where id > 3`,
        sql`update audit_log set id = id - 99 where id > 100`,
        sql`insert into audit_log select 4, at, 'eve', action, project, target, details, request_id, hash, hash
          from audit_log where id = 3`,
        sql`update audit_head set last_id = 7`,
      ],
      4,
    ],
    [
      'a row put at the end',
      [
        sql`insert into audit_log select 7, at, 'eve', action, project, target, details, request_id, hash, hash
          from audit_log where id = 6`,
      ],
      7,
    ],
    [
      'two rows that changed places',
      [
        sql`update audit_log set id = -1 where id = 3`,
        sql`update audit_log set id = 3 where id = 4`,
        sql`update audit_log set id = 4 where id = -1`,
      ],
      3,
    ],
    ['a head that was put back', [sql`update audit_head set last_id = 5`], 6],
  ];
  it.each(cases)('%s', async (_, tampering, at) => {
    expect(await verify()).toMatchObject({ checked: 6, defect: null });
    await behindTheTrigger(...tampering);
    const { defect, checked } = await verify();
    expect(defect).toMatchObject({ id: at });
    expect(checked).toBeGreaterThanOrEqual(at - 1);
  });

  it('a row that was changed and sealed again, at the one after it', async () => {
    const [, second] = await rows();
    const forged = { ...second!, actor: 'eve' };
    await behindTheTrigger(sql`update audit_log set actor = 'eve', hash = ${hashOfLink(forged)} where id = 2`);
    expect((await verify()).defect).toMatchObject({ id: 3 });
  });

  it('the end cut off with a head to match only against a row that was noted down', async () => {
    const before = await verify();
    const kept = (await rows())[3]!;
    await behindTheTrigger(
      sql`delete from audit_log where id > 4`,
      sql`update audit_head set last_id = 4, last_hash = ${kept.hash}`,
    );
    expect((await verify()).defect).toBeNull();
    expect((await verify(before.end)).defect).toMatchObject({ id: 5 });
    // And grown again beyond it, it is still another log.
    await recordMany(4);
    expect((await verify()).defect).toBeNull();
    expect((await verify(before.end)).defect).toMatchObject({ id: 6 });
    expect((await verify({ id: 4, hash: kept.hash })).defect).toBeNull();
  });

  it('nothing wrong while others write', async () => {
    const writing = recordMany(40);
    const checks = [];
    for (let round = 0; round < 8; round += 1) checks.push(await verify());
    await writing;
    expect(checks.map(({ defect }) => defect)).toEqual(checks.map(() => null));
    expect(await verify()).toMatchObject({ checked: 46, defect: null });
  });
});

describe('over the API', () => {
  const get = (query: string, token?: string) =>
    fetch(`${api.url}/audit.ndjson${query}`, token ? { headers: { authorization: `Bearer ${token}` } } : {});
  const lines = async (query: string) => {
    const response = await get(query, 'admin-token');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('application/x-ndjson');
    const text = await response.text();
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as AuditLink);
  };

  it('the export has every row, oldest first, each with the hash that it proves itself by', async () => {
    // More than a page of the reader, so that pages are joined.
    await test.database.transaction(async (tx) => {
      for (let number = 0; number < 1_050; number += 1) await recordAudit(tx, entry({ target: String(number) }));
    });
    const exported = await lines('');
    expect(exported).toHaveLength(1_050);
    expect(exported.map(({ id }) => id)).toEqual(exported.map((_, index) => index + 1));
    expect(exported.every((link) => link.hash === hashOfLink(link))).toBe(true);
    const [head] = await test.database.select().from(auditHead);
    expect(exported.at(-1)!.hash).toBe(head!.lastHash);
  });

  it('filters by project, actor, action and time, the same in the list and the export', async () => {
    await record({ project: 'shop' });
    await record({ project: 'books', actor: 'bob' });
    await record({ project: null, action: 'account.add' });
    const [{ at: middle }] = (await test.database.select({ at: auditLog.at }).from(auditLog).where(sql`id = 2`)) as [
      { at: Date },
    ];
    await behindTheTrigger(sql`update audit_log set at = at - interval '1 hour' where id = 1`);
    const filters: [object, number[]][] = [
      [{ project: 'books' }, [2]],
      [{ actor: 'bob' }, [2]],
      [{ action: 'account.add' }, [3]],
      [{ project: 'books', actor: 'ada' }, []],
      [{ from: new Date(middle.getTime() - 1_000).toISOString() }, [2, 3]],
      [{ to: new Date(middle.getTime() - 1_000).toISOString() }, [1]],
    ];
    for (const [filter, ids] of filters) {
      const query = new URLSearchParams(filter as Record<string, string>);
      expect((await lines(`?${query}`)).map(({ id }) => id)).toEqual(ids);
      const listed = await api.as('admin-token').audit.list.query(filter);
      expect(listed.map(({ id }) => id)).toEqual(ids.toReversed());
    }
  });

  it('pages by number, and a page stays what it was when rows are added', async () => {
    await recordMany(5);
    const list = (before?: number) =>
      api.as('admin-token').audit.list.query({ limit: 2, ...(before !== undefined && { before }) });
    const first = await list();
    await recordMany(3);
    const second = await list(first.at(-1)!.id);
    const third = await list(second.at(-1)!.id);
    expect([first, second, third].map((page) => page.map(({ id }) => id))).toEqual([[5, 4], [3, 2], [1]]);
  });

  it('is for administrators: of a project for its rows, of all of Starling for the rest', async () => {
    await record({ project: 'shop' });
    await record({ project: 'books' });
    await grantToken(test.database, 'sam', 'admin', 'shop-admin-token');
    await test.database.execute(sql`
      update role_grants set project = 'shop' where account = (select id from accounts where name = 'sam')`);
    expect((await get('')).status).toBe(401);
    expect((await get('', 'wrong')).status).toBe(401);
    expect((await get('', 'viewer-token')).status).toBe(403);
    expect((await get('?project=shop', 'viewer-token')).status).toBe(403);
    expect((await get('', 'shop-admin-token')).status).toBe(403);
    expect((await get('?project=books', 'shop-admin-token')).status).toBe(403);
    const own = await get('?project=shop', 'shop-admin-token');
    expect((JSON.parse(await own.text()) as AuditLink).project).toBe('shop');
    expect((await get('?project=shop&unknown=1', 'admin-token')).status).toBe(400);
    expect((await get('?from=yesterday', 'admin-token')).status).toBe(400);
    const asSam = api.as('shop-admin-token').audit;
    expect(await asSam.list.query({ project: 'shop' })).toHaveLength(1);
    await expect(asSam.list.query({})).rejects.toThrow(/administer/);
    await expect(asSam.verify.query()).rejects.toThrow(/administer/);
    await expect(api.as('viewer-token').audit.list.query({ project: 'shop' })).rejects.toThrow(/administer/);
  });

  it('verifies, with or without a row that was noted down', async () => {
    await recordMany(3);
    const { audit } = api.as('admin-token');
    const answer = await audit.verify.query();
    expect(answer).toMatchObject({ checked: 3, defect: null });
    expect(await audit.verify.query({ known: answer.end })).toEqual(answer);
    const other = { id: 2, hash: 'a'.repeat(64) };
    expect((await audit.verify.query({ known: other })).defect).toMatchObject({ id: 2 });
  });
});
