import { StarlingError } from '@starling/shared/errors.ts';
import type { IdentityKind } from '@starling/shared/permissions.ts';
import { and, eq, gt, sql } from 'drizzle-orm';
import { enrolmentTokens, identities, revokedAgents } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { hashOfToken } from '../lib/random-token.ts';
import { lockIdentity } from './lock-identity.ts';

export interface Enrolment {
  kind: IdentityKind;
  name: string;
  /** Where it is; null for a worker. */
  region: string | null;
  /** SHA-256 of its secret, or the hash of its public key. */
  credentialHash: string;
  /** Undefined when it believes that it is known already. */
  token: string | undefined;
  requestId: string;
}

export interface Enrolled {
  kind: IdentityKind;
  name: string;
  region: string | null;
  enrolledAt: Date;
}

/**
 * Makes a process known: one use of the token, the identity and its audit entry, or nothing of it. Whoever is known by
 * the same credential is told so again, without a use. UNAUTHENTICATED for a token that lets nobody in, FORBIDDEN for one
 * that is made for others, CONFLICT when the name or the credential belongs to another.
 */
export async function enrol(database: Database, enrolment: Enrolment): Promise<Enrolled> {
  const { kind, name, region, credentialHash } = enrolment;
  return database.transaction(async (tx) => {
    // Two tries of one process at once take turns, so that the second finds what the first has done.
    await lockIdentity(tx, kind, name);
    const [known] = await tx
      .select()
      .from(identities)
      .where(and(eq(identities.kind, kind), eq(identities.name, name)));
    if (known?.tokenHash === credentialHash && known.revokedAt === null) {
      if (known.region !== region) throw elsewhere(enrolment, known.region);
      return { kind, name, region, enrolledAt: known.enrolledAt };
    }
    const invitation = await takeUse(tx, enrolment);
    if (invitation.kind !== kind) throw new StarlingError('FORBIDDEN', `This token is for a ${invitation.kind}.`);
    if (invitation.region !== region) throw elsewhere(enrolment, invitation.region);
    if (known) insistOnReturn(enrolment, known, invitation);
    if (await wasRevoked(tx, credentialHash)) throw revoked(enrolment);
    const row = {
      kind,
      name,
      region,
      tokenHash: credentialHash,
      enrolledWith: invitation.id,
      enrolledAt: sql`clock_timestamp()` as never,
      revokedAt: null,
      revokedBy: null,
    };
    const [enrolled] = await tx
      .insert(identities)
      .values(row)
      .onConflictDoUpdate({ target: [identities.kind, identities.name], set: row })
      .returning({ enrolledAt: identities.enrolledAt })
      .catch((thrown) => {
        throw isTakenHash(thrown) ? credentialTaken(kind) : thrown;
      });
    await recordAudit(tx, {
      actor: `${kind}:${name}`,
      action: 'identity.enrol',
      project: null,
      target: `${kind}/${name}`,
      details: { region, invitation: invitation.id, invitedBy: invitation.createdBy, again: known !== undefined },
      requestId: enrolment.requestId,
    });
    return { kind, name, region, enrolledAt: enrolled!.enrolledAt };
  });
}

type Invitation = typeof enrolmentTokens.$inferSelect;

/** One use, taken by one statement: of two that want the last one, one gets it. */
async function takeUse(tx: Transaction, { token, kind }: Enrolment): Promise<Invitation> {
  const fix = `Ask an administrator for one: starling enrol ${kind}`;
  if (token === undefined) {
    throw new StarlingError('UNAUTHENTICATED', 'This process is not known here, and showed no enrolment token.', {
      field: 'token',
      fix,
    });
  }
  const tokenHash = hashOfToken(token);
  const [taken] = await tx
    .update(enrolmentTokens)
    .set({ usesLeft: sql`${enrolmentTokens.usesLeft} - 1` })
    .where(
      and(
        eq(enrolmentTokens.tokenHash, tokenHash),
        gt(enrolmentTokens.usesLeft, 0),
        gt(enrolmentTokens.expiresAt, sql`now()`),
      ),
    )
    .returning();
  if (taken) return taken;
  const [found] = await tx.select().from(enrolmentTokens).where(eq(enrolmentTokens.tokenHash, tokenHash));
  const why = !found ? 'is not known here' : found.usesLeft > 0 ? 'has expired' : 'was used up';
  throw new StarlingError('UNAUTHENTICATED', `This enrolment token ${why}.`, { field: 'token', fix });
}

/** A name comes back only after it was revoked, with a new credential, by an invitation that is newer than that. */
function insistOnReturn(
  { kind, name, credentialHash }: Enrolment,
  known: typeof identities.$inferSelect,
  invitation: Invitation,
): void {
  if (known.revokedAt === null) {
    throw new StarlingError('CONFLICT', `Another ${kind} is enrolled as ${name}.`, {
      field: 'name',
      fix: `Choose another name, or take that one's identity away first: starling identity revoke ${kind} ${name}`,
    });
  }
  if (known.tokenHash === credentialHash) throw revoked({ kind, name });
  // A token of many uses in an image must not bring back what was just shut out.
  if (invitation.createdAt <= known.revokedAt) {
    throw new StarlingError('CONFLICT', `${kind} ${name} was revoked after this enrolment token was made.`, {
      field: 'token',
      fix: `To let it in again, make a new one: starling enrol ${kind}`,
    });
  }
}

const revoked = ({ kind, name }: Pick<Enrolment, 'kind' | 'name'>) =>
  new StarlingError('CONFLICT', `The identity that ${kind} ${name} shows was revoked.`, {
    field: 'name',
    fix: 'Remove the folder "identity" of its data folder, so that it makes a new one, and give it a new token.',
  });

async function wasRevoked(tx: Transaction, credentialHash: string): Promise<boolean> {
  const rows = await tx
    .select({ id: revokedAgents.id })
    .from(revokedAgents)
    .where(eq(revokedAgents.keyHash, credentialHash));
  return rows.length > 0;
}

const elsewhere = ({ kind, name, region }: Enrolment, found: string | null) =>
  new StarlingError(
    'FORBIDDEN',
    `This is for ${kind}s ${found === null ? 'without a region' : `of the region ${found}`}, and ${name} is ${region === null ? 'of none' : `of ${region}`}.`,
    { field: 'region' },
  );

const credentialTaken = (kind: IdentityKind) =>
  new StarlingError('CONFLICT', `This ${kind} is enrolled under another name already.`, {
    field: 'name',
    fix: 'Give it its old name back, or remove the folder "identity" of its data folder, so that it makes a new one.',
  });

function isTakenHash(thrown: unknown): boolean {
  const error = ((thrown as { cause?: unknown }).cause ?? thrown) as { code?: string; constraint_name?: string };
  return error.code === '23505' && error.constraint_name === 'identities_token_hash_unique';
}
