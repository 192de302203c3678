import { StarlingError } from '@starling/shared/errors.ts';
import { allProjects } from '@starling/shared/permissions.ts';
import { projectName, roles } from '@starling/shared/words.ts';
import { eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { accounts } from '../../../../drizzle/schema/index.ts';
import {
  accountName,
  addGrant,
  endAccess,
  findAccount,
  grantsOf,
  insistAnAdminIsLeft,
  listAccounts,
  removeGrant,
} from '../accounts/accounts.ts';
import { hashPassword, insistGoodPassword, verifyPassword } from '../accounts/passwords.ts';
import { recordAudit } from '../audit/record.ts';
import type { Transaction } from '../db/connect.ts';
import type { Caller, Context } from './context.ts';
import { findProject } from './projects.ts';
import { everywhere, ofProjectOrAll, signedIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

const password = z.string().max(1_000);
const displayName = z.string().trim().min(1).max(200);
const email = z.email().max(320);
type SignedIn = Context & { caller: Caller };

/** Every change to an account is audited with what it changed, never with a password. */
function audit(tx: Transaction, ctx: SignedIn, action: string, target: string, details: Record<string, unknown> = {}) {
  const { caller, requestId } = ctx;
  const project = typeof details.project === 'string' && details.project !== allProjects ? details.project : null;
  return recordAudit(tx, { actor: caller.name, action, project, target, details, requestId });
}

export const accountsRouter = router({
  list: needs('administer', everywhere).query(({ ctx }) => listAccounts(ctx.database)),

  /** Adds a person who signs in with a password. Without one they can only be given tokens. */
  add: needs('administer', everywhere)
    .input(
      z.object({
        name: accountName,
        displayName: displayName.optional(),
        email: email.optional(),
        password: password.optional(),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      if (input.password !== undefined) insistGoodPassword(input.password, input.name);
      const passwordHash = input.password === undefined ? null : await hashPassword(input.password);
      return ctx.database.transaction(async (tx) => {
        const [row] = await tx
          .insert(accounts)
          .values({
            name: input.name,
            displayName: input.displayName ?? input.name,
            email: input.email ?? null,
            passwordHash,
            createdBy: ctx.caller.name,
          })
          .onConflictDoNothing({ target: accounts.name })
          .returning({ name: accounts.name, displayName: accounts.displayName });
        if (!row) {
          throw new StarlingError('CONFLICT', `There is an account "${input.name}" already.`, {
            field: 'name',
            fix: 'Choose another name; that of a person who left is not given again.',
          });
        }
        await audit(tx, ctx, 'account.add', input.name, { email: input.email ?? null });
        return row;
      });
    }),

  /** Sets another person's password, for example when they forgot it; unlocks the account and ends its sessions. */
  setPassword: needs('administer', everywhere)
    .input(z.object({ name: accountName, password }))
    .mutation(async ({ ctx, input }) => {
      insistGoodPassword(input.password, input.name);
      const account = await findAccount(ctx.database, input.name);
      if (account.oidcSubject !== null) {
        throw new StarlingError('PRECONDITION_FAILED', `${input.name} signs in with OpenID Connect.`, {
          field: 'name',
        });
      }
      const passwordHash = await hashPassword(input.password);
      await ctx.database.transaction(async (tx) => {
        await tx
          .update(accounts)
          .set({ passwordHash, failedSignIns: 0, lockedUntil: null })
          .where(eq(accounts.id, account.id));
        await endAccess(tx, account.id, { tokens: false });
        await audit(tx, ctx, 'account.set-password', input.name);
      });
      return { name: input.name };
    }),

  /** Changes one's own password; every session ends, this one too. */
  changePassword: needs('signed-in', signedIn)
    .input(z.object({ current: password, new: password }))
    .mutation(async ({ ctx, input }) => {
      const account = await findAccount(ctx.database, ctx.caller.name);
      insistGoodPassword(input.new, account.name);
      const { right } = await verifyPassword(input.current, account.passwordHash);
      if (!right) {
        throw new StarlingError('INVALID_INPUT', 'current: this is not your password', { field: 'current' });
      }
      const passwordHash = await hashPassword(input.new);
      await ctx.database.transaction(async (tx) => {
        await tx.update(accounts).set({ passwordHash }).where(eq(accounts.id, account.id));
        await endAccess(tx, account.id, { tokens: false });
        await audit(tx, ctx, 'account.change-password', account.name);
      });
      return { name: account.name };
    }),

  /** Lets an account in again that wrong passwords have locked. */
  unlock: needs('administer', everywhere)
    .input(z.object({ name: accountName }))
    .mutation(async ({ ctx, input }) => {
      const account = await findAccount(ctx.database, input.name);
      await ctx.database.transaction(async (tx) => {
        await tx.update(accounts).set({ failedSignIns: 0, lockedUntil: null }).where(eq(accounts.id, account.id));
        await audit(tx, ctx, 'account.unlock', input.name);
      });
      return { name: input.name };
    }),

  /** Shuts a person out at once: sessions end, tokens are revoked. Their name stays in history. */
  disable: needs('administer', everywhere)
    .input(z.object({ name: accountName }))
    .mutation(async ({ ctx, input }) => {
      const account = await findAccount(ctx.database, input.name);
      await ctx.database.transaction(async (tx) => {
        await tx
          .update(accounts)
          .set({ disabledAt: sql`coalesce(${accounts.disabledAt}, now())` })
          .where(eq(accounts.id, account.id));
        await endAccess(tx, account.id, { tokens: true });
        await insistAnAdminIsLeft(tx);
        await audit(tx, ctx, 'account.disable', input.name);
      });
      return { name: input.name };
    }),

  /** Lets a disabled person back in, with the roles they had; tokens stay revoked. */
  enable: needs('administer', everywhere)
    .input(z.object({ name: accountName }))
    .mutation(async ({ ctx, input }) => {
      const account = await findAccount(ctx.database, input.name);
      await ctx.database.transaction(async (tx) => {
        await tx
          .update(accounts)
          .set({ disabledAt: null, failedSignIns: 0, lockedUntil: null })
          .where(eq(accounts.id, account.id));
        await audit(tx, ctx, 'account.enable', input.name);
      });
      return { name: input.name };
    }),

  /** Gives a role in a project, or in all when none is named. Doing it twice is harmless. */
  grant: needs('administer', ofProjectOrAll)
    .input(z.object({ name: accountName, role: z.enum(roles), project: projectName.optional() }))
    .mutation(async ({ ctx, input }) => {
      if (input.project) await findProject(ctx.database, input.project);
      const account = await findAccount(ctx.database, input.name);
      const project = input.project ?? allProjects;
      return ctx.database.transaction(async (tx) => {
        const before = await grantsOf(tx, account.id);
        if (await addGrant(tx, account.id, { project, role: input.role }, ctx.caller.name)) {
          await audit(tx, ctx, 'account.grant', input.name, { role: input.role, project, before });
        }
        return { name: input.name, grants: await grantsOf(tx, account.id) };
      });
    }),

  /** Takes a role away in a project, or in all when none is named. Doing it twice is harmless. */
  revoke: needs('administer', ofProjectOrAll)
    .input(z.object({ name: accountName, role: z.enum(roles), project: projectName.optional() }))
    .mutation(async ({ ctx, input }) => {
      const account = await findAccount(ctx.database, input.name);
      const project = input.project ?? allProjects;
      return ctx.database.transaction(async (tx) => {
        const before = await grantsOf(tx, account.id);
        if (await removeGrant(tx, account.id, project, [input.role])) {
          if (project === allProjects && input.role === 'admin') await insistAnAdminIsLeft(tx);
          await audit(tx, ctx, 'account.revoke', input.name, { role: input.role, project, before });
        }
        return { name: input.name, grants: await grantsOf(tx, account.id) };
      });
    }),
});
