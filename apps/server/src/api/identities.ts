import { mostUses } from '@starling/shared/enrolment.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { type IdentityKind, identityKinds } from '@starling/shared/permissions.ts';
import { machineId, regionName } from '@starling/shared/words.ts';
import { asc } from 'drizzle-orm';
import { z } from 'zod';
import { regions } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import type { Transaction } from '../db/connect.ts';
import { invite, listInvitations, openInvitation, withdraw } from '../identities/invitations.ts';
import { listIdentities } from '../identities/list.ts';
import { revokeIdentity } from '../identities/revoke.ts';
import type { Caller, Context } from './context.ts';
import { everywhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

const hourMs = 3_600_000;
const mostHours = 30 * 24;
const mostListed = 500;

const kind = z.enum(identityKinds);
/** `agent/eu-17`, as a page ends. */
const kindAndName = z.string().transform((text, context) => {
  const at = text.indexOf('/');
  const parsed = z.object({ kind, name: machineId }).safeParse({ kind: text.slice(0, at), name: text.slice(at + 1) });
  if (parsed.success) return parsed.data;
  context.addIssue({ code: 'custom', message: 'expected a kind and a name, such as agent/eu-17' });
  return z.NEVER;
});

type SignedIn = Context & { caller: Caller };
const audit = (tx: Transaction, { caller, requestId }: SignedIn, action: string, target: string, details: object) =>
  recordAudit(tx, { actor: caller.name, action, project: null, target, details: { ...details }, requestId });

export const identitiesRouter = router({
  /** The hubs, workers and agents that have enrolled, by kind and name. `after` is the last one of the page before. */
  list: needs('administer', everywhere)
    .input(
      z.object({
        kind: kind.optional(),
        region: regionName.optional(),
        revoked: z.boolean().optional(),
        after: kindAndName.optional(),
        limit: z.number().int().min(1).max(mostListed).default(100),
      }),
    )
    .query(({ ctx, input }) => listIdentities(ctx.database, input)),

  /** Makes a token that lets new processes in. Its text is in this answer and nowhere else. */
  invite: needs('administer', everywhere)
    .input(
      z.object({
        kind,
        region: regionName.optional(),
        uses: z.number().int().min(1).max(mostUses).default(1),
        expiresInHours: z.number().positive().max(mostHours).default(24),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const region = await regionFor(ctx, input.kind, input.region);
      return ctx.database.transaction(async (tx) => {
        const { uses, expiresInHours } = input;
        const lifetimeMs = Math.round(expiresInHours * hourMs);
        const made = await invite(tx, { kind: input.kind, region, uses, lifetimeMs, createdBy: ctx.caller.name });
        await audit(tx, ctx, 'identity.invite', `invitation ${made.id}`, {
          kind: input.kind,
          region,
          uses,
          expiresInHours,
        });
        return made;
      });
    }),

  /** The invitations that still let somebody in, the newest first; with `all`, the others too. */
  invitations: needs('administer', everywhere)
    .input(z.object({ all: z.boolean().default(false), before: z.number().int().positive().optional() }))
    .query(({ ctx, input }) => listInvitations(ctx.database, { all: input.all, before: input.before })),

  /** Takes back what is left of an invitation. Whoever enrolled with it stays. Doing it twice is harmless. */
  withdraw: needs('administer', everywhere)
    .input(z.object({ id: z.number().int().positive() }))
    .mutation(({ ctx, input }) =>
      ctx.database.transaction(async (tx) => {
        const withdrawn = await withdraw(tx, input.id);
        if (withdrawn === undefined) {
          throw new StarlingError('NOT_FOUND', `There is no invitation ${input.id}.`, {
            field: 'id',
            fix: 'List them with: starling enrol list',
          });
        }
        if (withdrawn) await audit(tx, ctx, 'identity.withdraw', `invitation ${input.id}`, {});
        return { id: input.id, withdrawn };
      }),
    ),

  /**
   * Shuts a hub, worker or agent out: control at once, hubs within seconds. What runs on a machine goes on running. Doing
   * it twice is harmless. Answers with the invitation it came with, when that still lets others in.
   */
  revoke: needs('administer', everywhere)
    .input(z.object({ kind, name: machineId }))
    .mutation(({ ctx, input }) =>
      ctx.database.transaction(async (tx) => {
        const done = await revokeIdentity(tx, input.kind, input.name, ctx.caller.name);
        if (!done) {
          throw new StarlingError('NOT_FOUND', `No ${input.kind} is enrolled as "${input.name}".`, {
            field: 'name',
            fix: `List them with: starling identities --kind ${input.kind}`,
          });
        }
        const open = done.invitation === null ? undefined : await openInvitation(tx, done.invitation);
        const target = `${input.kind}/${input.name}`;
        if (done.revoked) await audit(tx, ctx, 'identity.revoke', target, { invitation: done.invitation });
        return { ...input, revoked: done.revoked, openInvitation: open ?? null };
      }),
    ),
});

/** Hubs and agents are of a region that there is; workers are of none. */
async function regionFor(ctx: Context, kindOf: IdentityKind, region: string | undefined): Promise<string | null> {
  if (kindOf === 'agent' && !ctx.agentCredentials) {
    throw new StarlingError('PRECONDITION_FAILED', 'This server has no key to sign the credentials of agents with.', {
      fix: 'Set STARLING_IDENTITY_SIGNING_KEY on every control server.',
    });
  }
  if (kindOf === 'worker') {
    if (region === undefined) return null;
    throw new StarlingError('INVALID_INPUT', 'Workers are of no region.', { field: 'region' });
  }
  const known = await ctx.database.select({ name: regions.name }).from(regions).orderBy(asc(regions.position));
  if (region !== undefined && known.some(({ name }) => name === region)) return region;
  throw new StarlingError(
    region === undefined ? 'INVALID_INPUT' : 'NOT_FOUND',
    region === undefined ? `A ${kindOf} is of a region: which one?` : `There is no region "${region}".`,
    { field: 'region', fix: `Regions: ${known.map(({ name }) => name).join(', ')}.` },
  );
}
