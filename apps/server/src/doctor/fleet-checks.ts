import { formatDuration } from '@starling/shared/durations.ts';
import { bad, type Finding, good, warn } from '@starling/shared/findings.ts';
import { sql } from 'drizzle-orm';
import type { Database } from '../db/connect.ts';
import type { Check } from './run-checks.ts';

/** What the database says of the parts that report to it. */
export function fleetChecks(database: Database): Check[] {
  const check = (name: string, fix: string, look: () => Promise<Finding | Finding[]>): Check => ({ name, fix, look });
  const ask = async <Row>(query: ReturnType<typeof sql>) => (await database.execute(query)) as unknown as Row[];
  return [
    check('loops', 'See the logs of the control servers.', async () => {
      const rows = await ask<{ loop: string; leader: string; age: number }>(sql`
        select loop, leader, (extract(epoch from clock_timestamp() - renewed_at) * 1000)::float8 as age
        from leaderships order by loop`);
      const stale = rows.filter(({ age }) => age > 20_000);
      if (stale.length > 0) {
        const names = stale.map(({ loop, age }) => `${loop} (for ${formatDuration(age)})`).join(', ');
        return bad('loops', `Nobody leads ${names}.`, 'See the logs of the control servers; start one.');
      }
      const leaders = [...new Set(rows.map(({ leader }) => leader))];
      return good('loops', `${rows.length} loops are led by ${leaders.join(', ')}`);
    }),
    check('workers', 'See the logs of the workers.', async () => {
      const [row] = await ask<{ alive: number; queued: number; wait: number | null }>(sql`
        select (select count(*) from workers where stopped_at is null and last_seen_at > now() - interval '2 minutes')::int as alive,
          (select count(*) from jobs_waiting)::int as queued,
          (select (extract(epoch from now() - min(created_at)) * 1000)::float8 from jobs where id in (select job_id from jobs_waiting)) as wait`);
      const { alive, queued, wait } = row!;
      if (alive === 0) return bad('workers', `None is alive; ${queued} jobs wait.`, 'Start a worker: main.ts worker.');
      if (wait !== null && wait > 15 * 60_000)
        return warn('workers', `The oldest job has waited for ${formatDuration(wait)}.`, 'See: starling queue');
      return good('workers', `${alive} alive, ${queued} jobs wait`);
    }),
    check('regions', 'See the logs of the hubs.', async () => {
      const rows = await ask<{ region: string; machines: number; age: number | null }>(sql`
        select r.name as region, count(m.id)::int as machines,
          (extract(epoch from now() - max(m.last_seen_at)) * 1000)::float8 as age
        from regions r left join machines m on m.region = r.name group by r.name, r.position order by r.position`);
      return rows.map(({ region, machines, age }) => {
        const name = `region ${region}`;
        if (age === null) return warn(name, 'No machine has ever connected.', 'Start its hub and an agent.');
        if (age > 120_000)
          return bad(
            name,
            `None of its ${machines} machines was heard of for ${formatDuration(age)}.`,
            'See the log of its hub.',
          );
        return good(name, `${machines} machines, heard of ${formatDuration(age)} ago`);
      });
    }),
    check('replication', 'See: starling builds', async () => {
      const [row] = await ask<{ late: number; failed: number }>(sql`
        select count(*)::int as late, count(*) filter (where r.status = 'FAILED')::int as failed
        from replicas r join builds b on b.id = r.build_id
        where r.status <> 'REPLICATED' and b.expired_at is null and b.created_at < now() - interval '10 minutes'`);
      const { late, failed } = row!;
      if (late === 0) return good('replication', 'every build is where it should be');
      return warn('replication', `${late} copies are late, ${failed} of them failed.`, 'See: starling builds');
    }),
    check('alerts', 'See: starling alerts deliveries', async () => {
      const [row] = await ask<{ dead: number; channels: number }>(sql`
        select (select count(*) from alert_deliveries where status = 'DEAD')::int as dead,
          (select count(*) from alert_channels where disabled_at is null)::int as channels`);
      const { dead, channels } = row!;
      if (channels === 0)
        return warn('alerts', 'Nobody is told of anything.', 'Add a channel: starling alerts set-channel');
      if (dead > 0) return warn('alerts', `${dead} did not arrive.`, 'See: starling alerts deliveries --status dead');
      return good('alerts', `${channels} channels, everything arrived`);
    }),
  ];
}
