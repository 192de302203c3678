import { StarlingError } from '@starling/shared/errors.ts';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import * as schema from '../../../../drizzle/schema/index.ts';
import { takeTls } from './tls-of-url.ts';

export type Schema = typeof schema;
/** A pool of connections; a transaction of it has the same methods. */
export type Database = PostgresJsDatabase<Schema> & { $client: postgres.Sql };
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];
/** Where a statement runs: on any connection, or within a transaction. */
export type Queryable = Database | Transaction;

export interface ConnectOptions {
  /** Shown in pg_stat_activity. */
  applicationName: string;
  maxConnections?: number;
  /** After this long a transaction that does nothing is broken off; for ever when left out. */
  idleInTransactionMs?: number;
  /** Nothing can be written. */
  readOnly?: boolean;
  /** Where the URL came from, for messages; `DATABASE_URL` by default. */
  variable?: string;
}

/**
 * Connects lazily. Takes `postgres://user:password@host:port/name`, or for a Unix socket
 * `postgres://user@localhost/name?host=/folder/of/the/socket`; `tls-of-url.ts` says how to ask for TLS. INVALID_INPUT
 * when the URL is none.
 */
export function connect(url: string, options: ConnectOptions): Database {
  const { applicationName, maxConnections = 10, idleInTransactionMs = 0, variable = 'DATABASE_URL' } = options;
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new StarlingError('INVALID_INPUT', `${variable} is not a URL`, {
      field: variable,
      fix: 'Write it as postgres://user:password@host:5432/database.',
      cause,
    });
  }
  const socketFolder = parsed.searchParams.get('host');
  parsed.searchParams.delete('host');
  const ssl = takeTls(parsed, variable);
  const client = postgres(parsed.href, {
    ...(socketFolder ? { host: socketFolder } : {}),
    ssl,
    max: maxConnections,
    idle_timeout: 60,
    connect_timeout: 10,
    onnotice: () => {},
    connection: {
      application_name: applicationName,
      lock_timeout: 30_000,
      statement_timeout: 60_000,
      idle_in_transaction_session_timeout: idleInTransactionMs,
      ...(options.readOnly && { default_transaction_read_only: true }),
    },
  });
  return drizzle(client, { schema }) as Database;
}

export async function disconnect(database: Database): Promise<void> {
  await database.$client.end({ timeout: 5 });
}
