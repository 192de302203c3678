import type { IdentityKind } from '@starling/shared/permissions.ts';
import { and, asc, eq, isNotNull, isNull, sql } from 'drizzle-orm';
import { identities } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';

export interface IdentityView {
  kind: IdentityKind;
  name: string;
  region: string | null;
  enrolledAt: Date;
  /** The number of the invitation it came with. */
  invitation: number | null;
  revokedAt: Date | null;
  revokedBy: string | null;
}

export interface IdentityFilter {
  kind?: IdentityKind | undefined;
  region?: string | undefined;
  revoked?: boolean | undefined;
  /** The last one of the page before. */
  after?: { kind: IdentityKind; name: string } | undefined;
  limit: number;
}

/** Who is enrolled, by kind and name, without what they show. */
export async function listIdentities(database: Queryable, filter: IdentityFilter): Promise<IdentityView[]> {
  const { kind, region, revoked, after, limit } = filter;
  return database
    .select({
      kind: identities.kind,
      name: identities.name,
      region: identities.region,
      enrolledAt: identities.enrolledAt,
      invitation: identities.enrolledWith,
      revokedAt: identities.revokedAt,
      revokedBy: identities.revokedBy,
    })
    .from(identities)
    .where(
      and(
        kind && eq(identities.kind, kind),
        region === undefined ? undefined : eq(identities.region, region),
        revoked === undefined ? undefined : revoked ? isNotNull(identities.revokedAt) : isNull(identities.revokedAt),
        after && sql`(${identities.kind}, ${identities.name}) > (${after.kind}, ${after.name})`,
      ),
    )
    .orderBy(asc(identities.kind), asc(identities.name))
    .limit(limit);
}
