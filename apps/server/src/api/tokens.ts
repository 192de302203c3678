import { StarlingError } from '@starling/shared/errors.ts';
import { allows, allProjects } from '@starling/shared/permissions.ts';
import { roles } from '@starling/shared/words.ts';
import { z } from 'zod';
import { findAccount } from '../accounts/accounts.ts';
import type { PersonCaller } from '../accounts/tokens.ts';
import { createToken, findToken, listTokens, revokeToken } from '../accounts/tokens.ts';
import { recordAudit } from '../audit/record.ts';
import type { Caller } from './context.ts';
import { signedIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

const dayMs = 86_400_000;
const standardDays = 90;
const mostDays = 365;

const administers = (caller: Caller): boolean =>
  caller.kind === 'person' && allows(caller.grants, 'administer', allProjects);

export const tokensRouter = router({
  /** One's own tokens; for administrators those of everybody, or of one account. */
  list: needs('signed-in', signedIn)
    .input(z.object({ account: z.string().max(100).optional() }))
    .query(async ({ ctx, input }) => {
      const person = ctx.caller as PersonCaller;
      if (!administers(person)) return listTokens(ctx.database, person.account);
      return listTokens(ctx.database, input.account ? (await findAccount(ctx.database, input.account)).id : undefined);
    }),

  /**
   * Makes a token for oneself, or as an administrator for another account. Its text is in this answer and nowhere else.
   * It may do what its owner may, or no more than `role`.
   */
  create: needs('signed-in', signedIn)
    .input(
      z.object({
        name: z.string().trim().min(1).max(100),
        account: z.string().max(100).optional(),
        role: z.enum(roles).optional(),
        days: z.number().int().min(1).max(mostDays).default(standardDays),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const person = ctx.caller as PersonCaller;
      const owner = input.account ?? person.name;
      if (owner !== person.name && !administers(person)) {
        throw new StarlingError('FORBIDDEN', 'Only an administrator makes tokens for others.', { field: 'account' });
      }
      // A token that may do little must not beget one that may do more.
      if (person.most !== null && input.role !== person.most) {
        throw new StarlingError('FORBIDDEN', `This token may only make tokens with the role ${person.most}.`, {
          field: 'role',
        });
      }
      const account = await findAccount(ctx.database, owner);
      return ctx.database.transaction(async (tx) => {
        const role = input.role ?? null;
        const made = await createToken(tx, {
          account: account.id,
          name: input.name,
          role,
          lifetimeMs: input.days * dayMs,
        });
        await recordAudit(tx, {
          actor: person.name,
          action: 'token.create',
          project: null,
          target: `${owner}/${input.name}`,
          details: { id: made.id, role, days: input.days },
          requestId: ctx.requestId,
        });
        return { ...made, name: input.name, account: owner, role };
      });
    }),

  /** Takes a token back: one's own, or as an administrator anybody's. Doing it twice is harmless. */
  revoke: needs('signed-in', signedIn)
    .input(z.object({ id: z.number().int().positive() }))
    .mutation(async ({ ctx, input }) => {
      const person = ctx.caller as PersonCaller;
      const token = await findToken(ctx.database, input.id);
      if (!token || (token.account !== person.account && !administers(person))) {
        throw new StarlingError('NOT_FOUND', `You have no token ${input.id}.`, {
          field: 'id',
          fix: 'List them with: starling tokens list',
        });
      }
      return ctx.database.transaction(async (tx) => {
        const revoked = await revokeToken(tx, token.id);
        if (revoked) {
          await recordAudit(tx, {
            actor: person.name,
            action: 'token.revoke',
            project: null,
            target: `${token.name}`,
            details: { id: token.id },
            requestId: ctx.requestId,
          });
        }
        return { id: token.id, revoked };
      });
    }),
});
