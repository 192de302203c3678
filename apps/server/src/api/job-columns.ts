import { getTableColumns } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';

/** A job as people see it: which one has its commit is the queue's own business. */
const { commitKey: _, ...jobColumns } = getTableColumns(jobs);

export { jobColumns };
