import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import { type ControlParts, controlChecks } from '@starling/server/doctor/control-checks.ts';
import { runChecks } from '@starling/server/doctor/run-checks.ts';
import { systemClock, TestClock } from '@starling/shared/clock.ts';
import { good } from '@starling/shared/findings.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-doctor-'));
  await addRegions(test.database, ['eu']);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const parts = (): ControlParts => {
  const store = (name: string) => openBlobStore(pathToFileURL(join(folder, name)).href);
  return {
    database: test.database,
    replica: () => undefined,
    stores: { main: store('main'), regions: new Map([['eu', store('eu')]]) },
    countKeys: async () => 2,
    verifyMail: async () => {},
    oidcIssuer: undefined,
    certificate: undefined,
  };
};
const look = async (changed: Partial<ControlParts> = {}) => {
  const findings = await runChecks(controlChecks({ ...parts(), ...changed }), systemClock);
  return new Map(findings.map(({ check, ...finding }) => [check, finding]));
};

describe('the doctor of the server', () => {
  it('finds each part, and says what is missing in a new Starling', async () => {
    const found = await look();
    for (const check of [
      'database',
      'schema',
      'clock',
      'blob store main',
      'blob store eu',
      'version keys eu',
      'mail server',
    ])
      expect(found.get(check), check).toMatchObject({ status: 'good', fix: null });
    expect(found.get('workers')).toMatchObject({ status: 'bad', detail: 'None is alive; 0 jobs wait.' });
    expect(found.get('region eu')).toMatchObject({ status: 'warn' });
    expect(found.get('alerts')).toMatchObject({ status: 'warn' });
  });

  it('leaves nothing behind in a store', async () => {
    await look();
    const keys = [];
    for await (const { key } of parts().stores.main.list('')) keys.push(key);
    expect(keys).toEqual([]);
  });

  it('finds a store that cannot be written, a key store that is away and a mail server that refuses', async () => {
    const found = await look({
      stores: { main: openBlobStore('file:///etc/passwd/below-a-file'), regions: parts().stores.regions },
      countKeys: async () => {
        throw new Error('connect ECONNREFUSED');
      },
      verifyMail: async () => {
        throw new Error('535 wrong password');
      },
    });
    expect(found.get('blob store main')).toMatchObject({ status: 'bad', fix: expect.any(String) });
    expect(found.get('version keys eu')).toMatchObject({ status: 'bad', detail: 'connect ECONNREFUSED' });
    expect(found.get('mail server')).toMatchObject({ status: 'bad', detail: '535 wrong password' });
    expect(found.get('blob store eu')).toMatchObject({ status: 'good' });
  });

  it('finds loops that nobody leads, late copies and machines that are silent', async () => {
    await addBuild(test.database, 'shop');
    await test.database.execute(sql`update builds set created_at = now() - interval '1 hour'`);
    await test.database.execute(sql`insert into leaderships (loop, epoch, leader, renewed_at) values
      ('monitor', 1, 'control-1', now() - interval '1 minute'), ('rollouts', 1, 'control-2', now())`);
    await test.database.execute(sql`insert into machines (id, region, labels, agent_version, address, hub, connected, last_seen_at)
      values ('m', 'eu', '{}', '1', 'a', 'h', true, now() - interval '10 minutes')`);
    await test.database.execute(sql`insert into workers (name, labels, host, version) values ('w', '{}', 'h', '1')`);
    const found = await look();
    expect(found.get('loops')).toMatchObject({
      status: 'bad',
      detail: expect.stringMatching(/^Nobody leads monitor \(for/),
    });
    expect(found.get('replication')).toMatchObject({ status: 'warn', detail: '1 copies are late, 0 of them failed.' });
    expect(found.get('region eu')).toMatchObject({ status: 'bad' });
    expect(found.get('workers')).toMatchObject({ status: 'good' });
  });

  it('does not wait for a part that never answers', async () => {
    const clock = new TestClock();
    const running = runChecks(
      [
        { name: 'stuck', fix: 'Restart it.', look: () => new Promise(() => {}) },
        { name: 'fine', fix: '', look: async () => good('fine', 'it is') },
      ],
      clock,
    );
    await clock.advance(10_000);
    expect(await running).toEqual([
      { check: 'stuck', status: 'bad', detail: 'it did not answer within 10 s', fix: 'Restart it.' },
      { check: 'fine', status: 'good', detail: 'it is', fix: null },
    ]);
  });
});
