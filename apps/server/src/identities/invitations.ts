import type { IdentityKind } from '@starling/shared/permissions.ts';
import { and, desc, eq, gt, lt, sql } from 'drizzle-orm';
import { enrolmentTokens } from '../../../../drizzle/schema/index.ts';
import type { Queryable, Transaction } from '../db/connect.ts';
import { hashOfToken, newToken } from '../lib/random-token.ts';

// An invitation is a token that lets so many processes of one kind (and region) in, for so long.

export interface InvitationView {
  id: number;
  kind: IdentityKind;
  region: string | null;
  usesLeft: number;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
}

const view = {
  id: enrolmentTokens.id,
  kind: enrolmentTokens.kind,
  region: enrolmentTokens.region,
  usesLeft: enrolmentTokens.usesLeft,
  createdBy: enrolmentTokens.createdBy,
  createdAt: enrolmentTokens.createdAt,
  expiresAt: enrolmentTokens.expiresAt,
};

const isOpen = and(gt(enrolmentTokens.usesLeft, 0), gt(enrolmentTokens.expiresAt, sql`now()`));

/** Makes an invitation. The text of its token is returned here and never again. */
export async function invite(
  tx: Transaction,
  invitation: { kind: IdentityKind; region: string | null; uses: number; lifetimeMs: number; createdBy: string },
): Promise<InvitationView & { token: string }> {
  const { kind, region, uses, lifetimeMs, createdBy } = invitation;
  const token = newToken();
  const [row] = await tx
    .insert(enrolmentTokens)
    .values({
      kind,
      region,
      tokenHash: hashOfToken(token),
      usesLeft: uses,
      createdBy,
      createdAt: sql`clock_timestamp()` as never,
      expiresAt: sql`clock_timestamp() + ${lifetimeMs} * interval '1 millisecond'` as never,
    })
    .returning(view);
  return { ...row!, token };
}

/** Those that still let somebody in, or all of them; the newest first, 500 at most, older than `before`. */
export async function listInvitations(
  database: Queryable,
  { all, before }: { all: boolean; before: number | undefined },
): Promise<InvitationView[]> {
  return database
    .select(view)
    .from(enrolmentTokens)
    .where(and(all ? undefined : isOpen, before === undefined ? undefined : lt(enrolmentTokens.id, before)))
    .orderBy(desc(enrolmentTokens.id))
    .limit(500);
}

/** The invitation, if it still lets somebody in. */
export async function openInvitation(database: Queryable, id: number): Promise<InvitationView | undefined> {
  const [row] = await database
    .select(view)
    .from(enrolmentTokens)
    .where(and(eq(enrolmentTokens.id, id), isOpen));
  return row;
}

/** Takes what is left of an invitation back. False when nothing was left, undefined when there is no such one. */
export async function withdraw(tx: Transaction, id: number): Promise<boolean | undefined> {
  const rows = await tx
    .update(enrolmentTokens)
    .set({ usesLeft: 0 })
    .where(and(eq(enrolmentTokens.id, id), isOpen))
    .returning({ id: enrolmentTokens.id });
  if (rows.length > 0) return true;
  const [there] = await tx.select({ id: enrolmentTokens.id }).from(enrolmentTokens).where(eq(enrolmentTokens.id, id));
  return there ? false : undefined;
}
