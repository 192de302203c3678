import { sql } from 'drizzle-orm';
import type { Database, Queryable } from './connect.ts';

// Whoever changes something others wait for says so within the same transaction; PostgreSQL tells every listener
// after the commit. A notice carries only its topic: listeners read the new state, so a lost one costs a delay.

export const topics = [
  'jobs',
  'cancellations',
  'replicas',
  'deployments',
  'machines',
  'version-keys',
  'projects',
  'alerts',
] as const;
export type Topic = (typeof topics)[number];
const channel = 'starling_changes';

export async function announce(where: Queryable, topic: Topic): Promise<void> {
  await where.execute(sql`select pg_notify(${channel}, ${topic})`);
}

/** Calls back for every change until `stop`; after a cut connection once for each topic, as any may have been missed. */
export async function listen(
  database: Database,
  onChange: (topic: Topic) => void,
): Promise<{ stop: () => Promise<void> }> {
  const subscription = await database.$client.listen(
    channel,
    (payload) => {
      if ((topics as readonly string[]).includes(payload)) onChange(payload as Topic);
    },
    () => {
      for (const topic of topics) onChange(topic);
    },
  );
  return { stop: () => subscription.unlisten() };
}
