import { StarlingError } from '@starling/shared/errors.ts';
import { eq, sql } from 'drizzle-orm';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { accounts } from '../../../../drizzle/schema/index.ts';
import { accountName, endAccess } from '../accounts/accounts.ts';
import { closeSession, openSession, type SessionLimits } from '../accounts/sessions.ts';
import { signInWithPassword } from '../accounts/sign-in.ts';
import { createToken, personWithToken } from '../accounts/tokens.ts';
import { recordAudit } from '../audit/record.ts';
import { callerOf, presentedBy, sessionCookieName } from './caller.ts';
import type { ApiDependencies } from './context.ts';
import { tooMany, type WrongTries } from './protect.ts';

const byPassword = z.strictObject({ name: z.string().max(200), password: z.string().max(1_000) });
const byToken = z.strictObject({ token: z.string().max(4_096) });
const forToken = byPassword.extend({ for: z.string().trim().min(1).max(80) });
const dayMs = 86_400_000;
const cliTokenDays = 30;

export interface SessionRoutes extends Pick<ApiDependencies, 'database' | 'log' | 'clock'> {
  sessions: SessionLimits;
  /** The cookie goes over HTTPS alone. */
  secure: boolean;
  wrongTries: WrongTries;
}

/**
 * `POST /session` signs a browser in, by name and password or by a token, and answers with a cookie that no script can
 * read; `DELETE /session` signs it out (everywhere, with `?everywhere=true`). `POST /session/token` gives a program that
 * cannot keep cookies a token instead.
 */
export function registerSessionRoutes(server: FastifyInstance, options: SessionRoutes): void {
  const { database, log, sessions, secure, wrongTries } = options;

  server.post('/session', (request, reply) =>
    guarded(request, reply, wrongTries, async () => {
      const given = z.union([byPassword, byToken]).safeParse(request.body);
      if (!given.success) return reply.code(400).send({ message: 'Give "name" and "password", or "token".' });
      const account =
        'token' in given.data ? await byTokenOf(given.data.token) : await byPasswordOf(given.data, request);
      const token = await database.transaction(async (tx) => {
        await tx.update(accounts).set({ lastSignInAt: sql`now()` }).where(eq(accounts.id, account.id));
        const opened = await openSession(tx, account.id, sessions);
        const details = { with: 'token' in given.data ? 'token' : 'password' };
        await recordAudit(tx, { ...entry(account.name, request), action: 'account.sign-in', details });
        return opened;
      });
      return reply.header('Set-Cookie', sessionCookie(token, secure, sessions)).send({ name: account.name });
    }),
  );

  server.post('/session/token', (request, reply) =>
    guarded(request, reply, wrongTries, async () => {
      const given = forToken.safeParse(request.body);
      if (!given.success) return reply.code(400).send({ message: 'Give "name", "password" and "for".' });
      const account = await byPasswordOf(given.data, request);
      const made = await database.transaction(async (tx) => {
        // A label tells people what the token is for; the time keeps it apart from earlier ones of the same machine.
        const name = `${given.data.for} ${new Date(options.clock.now()).toISOString().slice(0, 19)}`;
        const token = await createToken(tx, {
          account: account.id,
          name,
          role: null,
          lifetimeMs: cliTokenDays * dayMs,
        });
        await recordAudit(tx, {
          ...entry(account.name, request),
          action: 'account.sign-in',
          details: { with: 'password', token: token.id },
        });
        return token;
      });
      return reply.send({ name: account.name, token: made.token, expiresAt: made.expiresAt });
    }),
  );

  server.delete<{ Querystring: { everywhere?: string } }>('/session', async (request, reply) => {
    const presented = presentedBy(request);
    if (request.query.everywhere === 'true') {
      const caller = await callerOf(database, presented, sessions);
      if (caller?.kind === 'person') {
        await database.transaction(async (tx) => {
          await endAccess(tx, caller.account, { tokens: false });
          await recordAudit(tx, { ...entry(caller.name, request), action: 'account.sign-out-everywhere' });
        });
      }
    } else if (presented.session !== undefined) {
      await closeSession(database, presented.session);
    }
    return reply.header('Set-Cookie', clearedCookie(secure)).send({});
  });

  async function byTokenOf(token: string) {
    const person = await personWithToken(database, token);
    // A session may do all that its account may, so a token that may do less does not open one.
    if (person && person.most === null) return { id: person.account, name: person.name };
    throw new StarlingError(
      'UNAUTHENTICATED',
      person
        ? 'This token may do less than its owner, so it opens no session.'
        : 'This token is not known here, or no longer valid.',
    );
  }

  function byPasswordOf({ name, password }: z.infer<typeof byPassword>, request: FastifyRequest) {
    const parsed = accountName.safeParse(name);
    return signInWithPassword(database, { name: parsed.data ?? '', password, requestId: request.id }, log);
  }
}

const entry = (name: string, request: FastifyRequest) => ({
  actor: name,
  project: null,
  target: name,
  requestId: request.id,
});

/** Runs a way to sign in: an address that was often wrong has to wait, and a refusal is said in one shape. */
export async function guarded(
  request: FastifyRequest,
  reply: FastifyReply,
  wrongTries: WrongTries,
  signIn: () => Promise<unknown>,
): Promise<unknown> {
  const waitMs = wrongTries.waitFor(request);
  if (waitMs > 0) return tooMany(reply, waitMs);
  try {
    return await signIn();
  } catch (thrown) {
    if (!(thrown instanceof StarlingError)) throw thrown;
    if (thrown.code === 'UNAUTHENTICATED') wrongTries.note(request);
    const status = thrown.code === 'UNAUTHENTICATED' ? 401 : thrown.code === 'UNAVAILABLE' ? 503 : 403;
    return reply.code(status).send({ message: thrown.message, fix: thrown.fix ?? null });
  }
}

/** The cookie that holds a session: for no script, and for requests of our own pages only. */
export function sessionCookie(token: string, secure: boolean, { longestMs }: SessionLimits): string {
  return `${sessionCookieName(secure)}=${token}; ${attributes(secure)}; Max-Age=${Math.floor(longestMs / 1_000)}`;
}

const clearedCookie = (secure: boolean) => `${sessionCookieName(secure)}=; ${attributes(secure)}; Max-Age=0`;
const attributes = (secure: boolean) => `Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
