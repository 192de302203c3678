import { asc, desc, gt, gte, lt, lte, type SQL, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Queryable } from './connect.ts';

/** Longer than any transaction, and than clocks of servers may differ: a row's number and time disagree by less. */
const slackMs = 10 * 60_000;

/**
 * Conditions for the rows of a period, for lists that are read by number. Numbers grow with time but for the little by which
 * transactions overtake one another, so a period is a range of numbers with some to spare at both ends; with it any index
 * that ends in the number serves a list of a period too, in one order. The exact times stay conditions beside it.
 */
export async function withinPeriod(
  where: Queryable,
  table: PgTable,
  { id, at }: { id: PgColumn; at: PgColumn },
  { from, to }: { from?: Date | undefined; to?: Date | undefined },
): Promise<SQL[]> {
  const conditions: SQL[] = [];
  if (from) {
    const [before] = await where
      .select({ id: sql<number>`${id}`.mapWith(Number) })
      .from(table)
      .where(lte(at, new Date(from.getTime() - slackMs)))
      .orderBy(desc(at))
      .limit(1);
    conditions.push(gte(at, from));
    if (before) conditions.push(gt(id, before.id));
  }
  if (to) {
    const [after] = await where
      .select({ id: sql<number>`${id}`.mapWith(Number) })
      .from(table)
      .where(gte(at, new Date(to.getTime() + slackMs)))
      .orderBy(asc(at))
      .limit(1);
    conditions.push(lte(at, to));
    if (after) conditions.push(lt(id, after.id));
  }
  return conditions;
}
