import { and, desc, eq, isNull } from 'drizzle-orm';
import { builds } from '../../../../drizzle/schema/index.ts';
import type { LiveBuild } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';

/** The newest builds of a project whose bytes are kept, newest first, `most` at most. */
export function liveBuilds(database: Database, project: string, most: number): Promise<LiveBuild[]> {
  return database
    .select({ build: builds.id, manifestDigest: builds.manifestDigest })
    .from(builds)
    .where(and(eq(builds.project, project), isNull(builds.expiredAt)))
    .orderBy(desc(builds.createdAt), desc(builds.id))
    .limit(most);
}
