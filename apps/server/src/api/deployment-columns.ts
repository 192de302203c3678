import { getTableColumns, sql } from 'drizzle-orm';
import { deployments } from '../../../../drizzle/schema/index.ts';

const { plan, reach: _, forecast: _forecast, measured: _measured, ...narrow } = getTableColumns(deployments);

/** A deployment as lists show it: how many waves it has rather than its whole plan, which may be long. */
export const deploymentColumns = {
  ...narrow,
  waves: sql<number>`coalesce(jsonb_array_length(${plan} -> 'waves'), 1)`,
};
