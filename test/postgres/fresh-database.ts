import { randomBytes } from 'node:crypto';
import { connect, type Database, disconnect } from '@starling/server/db/connect.ts';
import { afterAll, beforeAll, inject } from 'vitest';

/** Gives the test file a database of its own, cloned from the template, and drops it afterwards. */
export function useFreshDatabase(): { readonly database: Database; readonly url: string } {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const templateUrl = inject('templateUrl');
  const url = templateUrl.replace('/template?', `/${name}?`);
  let database: Database | undefined;

  const asOwner = async (statement: string) => {
    const owner = connect(templateUrl.replace('/template?', '/postgres?'), {
      applicationName: 'test',
      maxConnections: 1,
    });
    await owner.$client.unsafe(statement);
    await disconnect(owner);
  };
  beforeAll(async () => {
    await asOwner(`create database "${name}" template "template"`);
    database = connect(url, { applicationName: 'test', maxConnections: 10 });
  });
  afterAll(async () => {
    if (database) await disconnect(database);
    await asOwner(`drop database "${name}" with (force)`);
  });
  return {
    url,
    get database() {
      if (!database) throw new Error('the database is there only while tests run');
      return database;
    },
  };
}
