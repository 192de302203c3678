import { sql } from 'drizzle-orm';
import type { Queryable } from '../db/connect.ts';
import { isOnline } from './online.ts';

export interface OnlineMachine {
  id: string;
  region: string;
  labels: Record<string, string>;
}

/** Every machine that is online, by name: whom a share of a region is a share of. */
export async function onlineMachines(where: Queryable): Promise<OnlineMachine[]> {
  const rows = await where.execute(
    sql`select m.id, m.region, m.labels from machines m where ${isOnline} order by m.id`,
  );
  return rows as unknown as OnlineMachine[];
}
