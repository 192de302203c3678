import { waitsForWindow } from '@starling/shared/maintenance.ts';
import { sql } from 'drizzle-orm';

/** Whether a machine is ready and kept by its maintenance window; for queries that name `deployment_machines` `dm`. */
export const isWaiting = sql`(coalesce(dm.step = 'STAGED' and dm.detail = ${waitsForWindow}, false))`;
