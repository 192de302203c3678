import { type SQL, sql } from 'drizzle-orm';
import { announce } from '../db/changes.ts';
import type { Transaction } from '../db/connect.ts';
import { type AlertLimits, events, states } from './conditions.ts';

export interface RaisedAlert {
  id: number;
  kind: string;
  title: string;
}

/**
 * Raises what has become so since the last pass, and clears what is over. Each new alert gets a delivery for every
 * channel that wants it, in the same transaction, so that none is raised without being on its way.
 */
export async function raiseAlerts(tx: Transaction, limits: AlertLimits): Promise<RaisedAlert[]> {
  const raised: RaisedAlert[] = [];
  for (const [kind, condition] of Object.entries(events)) {
    raised.push(
      ...(await insertAlerts(
        tx,
        sql`
          select ${kind}::text as kind, ${kind}::text || ':' || c.subject as key, c.project, c.title, c.text, c.path, null::timestamptz as cleared_at
          from (${condition()}) c`,
      )),
    );
  }
  for (const [kind, condition] of Object.entries(states)) {
    const now = condition(limits);
    // The key of an open alert names its subject and how often it has been so: at most one of them is open.
    raised.push(
      ...(await insertAlerts(
        tx,
        sql`
          select ${kind}::text as kind, ${kind}::text || ':' || c.subject || ':' ||
              (select count(*) from alerts a where a.key like ${kind}::text || ':' || c.subject || ':%') as key,
            c.project, c.title, c.text, c.path, null::timestamptz as cleared_at
          from (${now}) c
          where not exists (
            select 1 from alerts a
            where a.kind = ${kind} and a.cleared_at is null and a.key like ${kind}::text || ':' || c.subject || ':%')`,
      )),
      ...(await clear(tx, kind, now)),
    );
  }
  if (raised.length > 0) await announce(tx, 'alerts');
  return raised;
}

/** Ends the open alerts of a state that is no longer so, and says so with one more that is over from the start. */
async function clear(tx: Transaction, kind: string, now: SQL): Promise<RaisedAlert[]> {
  return insertAlerts(
    tx,
    sql`
      select o.kind, o.key || ':over' as key, o.project, 'Over: ' || o.title as title,
        'It lasted from ' || to_char(o.raised_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC.' as text, o.path,
        now() as cleared_at
      from over o`,
    sql`over as (
      update alerts a set cleared_at = now()
      where a.kind = ${kind} and a.cleared_at is null
        and not exists (select 1 from (${now}) c where a.key like ${kind}::text || ':' || c.subject || ':%')
      returning a.*),`,
  );
}

async function insertAlerts(tx: Transaction, rows: SQL, before: SQL = sql``): Promise<RaisedAlert[]> {
  const raised = await tx.execute(sql`
    with ${before}
    raised as (
      insert into alerts (kind, key, project, title, text, path, cleared_at)
      select n.kind, n.key, n.project, left(n.title, 300), left(n.text, 2000), n.path, n.cleared_at from (${rows}) n
      where not exists (select 1 from alerts a where a.key = n.key)
      on conflict (key) do nothing
      returning id, kind, project, title
    ), deliveries as (
      insert into alert_deliveries (alert, channel)
      select r.id, c.name from raised r
      join alert_channels c on c.disabled_at is null and c.kinds ? r.kind
        and (c.project is null or c.project = r.project)
    )
    select id::int as id, kind, title from raised`);
  return raised as unknown as RaisedAlert[];
}
