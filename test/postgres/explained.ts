import type { Database, Schema } from '@starling/server/db/connect.ts';
import { drizzle } from 'drizzle-orm/postgres-js';
import * as schema from '../../drizzle/schema/index.ts';

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: PlanNode[];
}

/** What one statement did to answer. */
export interface Explained {
  query: string;
  /** Rows that were looked at in tables and indexes, wanted or not. */
  rowsRead: number;
  /** Pages of 8 KiB, from memory or disk. */
  blocks: number;
  /** Tables that were read from one end to the other. */
  seqScans: string[];
  plan: string;
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/**
 * Runs `call` on a database that writes down each query it is asked, then has PostgreSQL explain each of them with the same
 * parameters: so it is the procedures themselves that are measured, not copies of what they ask.
 */
export async function explainAll(
  database: Database,
  call: (recorded: Database) => Promise<unknown>,
): Promise<Explained[]> {
  const asked: { query: string; params: unknown[] }[] = [];
  const recorded = drizzle(database.$client, {
    schema: schema as Schema,
    logger: { logQuery: (query, params) => void asked.push({ query, params }) },
  }) as Database;
  await call(recorded);
  const explained: Explained[] = [];
  for (const { query, params } of asked.filter(({ query }) => /^\s*(select|with)\b/i.test(query))) {
    const rows = await database.$client.unsafe(
      `explain (analyze, buffers, timing off, format json) ${query}`,
      params as never[],
    );
    const [{ Plan: root }] = rows[0]!['QUERY PLAN'] as [{ Plan: PlanNode }];
    const nodes = nodesOf(root);
    const reads = nodes.filter((node) => node['Relation Name'] !== undefined);
    explained.push({
      query,
      rowsRead: Math.round(
        reads.reduce((sum, node) => {
          const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
          return sum + (node['Actual Rows'] + removed) * node['Actual Loops'];
        }, 0),
      ),
      blocks: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
      seqScans: nodes.flatMap((node) => (node['Node Type'] === 'Seq Scan' ? [node['Relation Name'] ?? ''] : [])),
      plan: JSON.stringify(rows[0]!['QUERY PLAN'], null, 1),
    });
  }
  return explained;
}
