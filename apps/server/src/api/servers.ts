import { asc } from 'drizzle-orm';
import { leaderships } from '../../../../drizzle/schema/index.ts';
import { somewhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const serversRouter = router({
  /** Which server leads which loop, since when, and when it was last heard of. */
  loops: needs('view', somewhere).query(({ ctx }) =>
    ctx.database.select().from(leaderships).orderBy(asc(leaderships.loop)),
  ),
});
