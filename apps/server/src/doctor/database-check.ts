import { readFileSync } from 'node:fs';
import { formatDuration } from '@starling/shared/durations.ts';
import { bad, type Finding, good, warn } from '@starling/shared/findings.ts';
import { sql } from 'drizzle-orm';
import type { Database } from '../db/connect.ts';
import { databaseTrouble } from '../db/database-trouble.ts';
import type { Check } from './run-checks.ts';

const journal = new URL('../../../../drizzle/migrations/meta/_journal.json', import.meta.url);
const mostClockSkewMs = 2_000;
/** The oldest that Starling is tried with. */
const oldestVersion = 15;

/** Whether PostgreSQL is reached, has room and the right tables, and keeps the same time. */
export function databaseCheck(database: Database): Check {
  const ask = async <Row>(query: ReturnType<typeof sql>) => (await database.execute(query)) as unknown as Row[];
  return {
    name: 'database',
    fix: 'Check DATABASE_URL, and that PostgreSQL runs and lets this server in.',
    look: async () => {
      try {
        const askedAt = Date.now();
        const [row] = await ask<Facts>(sql`
          select split_part(version(), ' ', 2) as version, current_setting('server_version_num')::int / 10000 as major,
            (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as used,
            current_setting('max_connections')::int as most,
            to_regclass('drizzle.__drizzle_migrations') is not null as migrated,
            has_database_privilege(current_database(), 'CREATE') as creates,
            (extract(epoch from clock_timestamp()) * 1000)::float8 as now`);
        const skew = row!.now - (askedAt + Date.now()) / 2;
        const done = row!.migrated
          ? (await ask<{ done: number }>(sql`select count(*)::int as done from drizzle.__drizzle_migrations`))[0]!.done
          : 0;
        return [server(row!), schema(done, row!.creates), clock(skew)];
      } catch (thrown) {
        throw databaseTrouble(thrown) ?? thrown;
      }
    },
  };
}

interface Facts {
  version: string;
  major: number;
  used: number;
  most: number;
  migrated: boolean;
  creates: boolean;
  now: number;
}

function server({ version, major, used, most }: Facts): Finding {
  const found = `PostgreSQL ${version}, ${used} of ${most} connections in use`;
  if (major < oldestVersion)
    return bad('database', `${found}; that is too old.`, `Use PostgreSQL ${oldestVersion} or newer.`);
  if (used > most * 0.9) return warn('database', found, 'Raise max_connections, or run fewer servers.');
  return good('database', found);
}

function schema(done: number, creates: boolean): Finding {
  const known = (JSON.parse(readFileSync(journal, 'utf8')) as { entries: unknown[] }).entries.length;
  if (done > known)
    return bad('schema', 'The database is newer than this server.', 'Start the version of Starling that migrated it.');
  if (done === known) return good('schema', `all ${known} migrations are done`);
  const found = `${known - done} of ${known} migrations are to be done.`;
  if (!creates) return bad('schema', found, 'Start control as the owner of the database: its user may make no tables.');
  return warn('schema', found, 'Control does them when it starts; start it before workers and hubs.');
}

function clock(skewMs: number): Finding {
  if (Math.abs(skewMs) <= mostClockSkewMs) return good('clock', 'in step with the database');
  const apart = formatDuration(Math.abs(skewMs));
  return bad('clock', `The clocks of this server and the database are ${apart} apart.`, 'Keep both in step with NTP.');
}
