import { createHmac, timingSafeEqual } from 'node:crypto';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { Grant } from '@starling/shared/permissions.ts';
import { and, eq, sql } from 'drizzle-orm';
import * as client from 'openid-client';
import { accounts } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { type Account, replaceProviderGrants } from './accounts.ts';

// Signing in at the company's OpenID Connect provider: authorization code with PKCE, state and nonce. What has to be
// remembered between the two requests goes into a short-lived, signed cookie, so any server can take the second one.

export interface OpenIdOptions {
  /** As the provider calls itself, for example `https://login.example.com`. */
  issuer: string;
  clientId: string;
  clientSecret: string | undefined;
  scopes: string;
  /** The claim that lists a person's groups. */
  groupsClaim: string;
  /** Which group gives which role where. */
  rolesOfGroups: ReadonlyMap<string, Grant[]>;
  /** `https://starling.example.com`: people come back to `<publicUrl>/oidc/callback`. */
  publicUrl: string;
  /** Signs the cookie; the same on all servers. */
  flowSecret: string;
}

/** How long a person may take at the provider, in seconds. */
export const flowSeconds = 600;
const allPaths = /^\/(?![/\\])[\x20-\x7e]{0,500}$/;

interface Flow {
  verifier: string;
  state: string;
  nonce: string;
  /** The page to go to afterwards. */
  returnTo: string;
  until: number;
}

export interface OpenIdSignIn {
  /** Where to send the browser, and the text for its cookie. */
  start(returnTo: string, nowMs: number): Promise<{ url: string; flow: string }>;
  /** The account of who came back with `search` and the cookie `flow`. Throws UNAUTHENTICATED or UNAVAILABLE. */
  finish(
    search: string,
    flow: string | undefined,
    request: { id: string; nowMs: number },
  ): Promise<{ account: Account; returnTo: string }>;
}

export function openIdSignIn(options: OpenIdOptions, database: Database): OpenIdSignIn {
  const { issuer, clientId, clientSecret, scopes, publicUrl, flowSecret } = options;
  const redirect = `${publicUrl}/oidc/callback`;
  let discovered: Promise<client.Configuration> | undefined;
  /** Asked once; asked again when it failed, so that a provider that was away is found when it is back. */
  const provider = () => {
    discovered ??= client
      .discovery(new URL(issuer), clientId, clientSecret, undefined, {
        timeout: 10,
        // Plain HTTP only for a provider on this very machine, which is how one is tried out.
        ...(isLoopback(issuer) && { execute: [client.allowInsecureRequests] }),
      })
      .catch((thrown: unknown) => {
        discovered = undefined;
        throw new StarlingError('UNAVAILABLE', `${new URL(issuer).host} does not answer: ${messageOf(thrown)}`, {
          fix: 'Try again, or sign in with a password.',
          cause: thrown,
        });
      });
    return discovered;
  };

  return {
    start: async (returnTo, nowMs) => {
      const configuration = await provider();
      const flow: Flow = {
        verifier: client.randomPKCECodeVerifier(),
        state: client.randomState(),
        nonce: client.randomNonce(),
        returnTo: allPaths.test(returnTo) ? returnTo : '/',
        until: nowMs + flowSeconds * 1_000,
      };
      const url = client.buildAuthorizationUrl(configuration, {
        redirect_uri: redirect,
        scope: scopes,
        code_challenge: await client.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
        state: flow.state,
        nonce: flow.nonce,
      });
      return { url: url.href, flow: seal(flow, flowSecret) };
    },

    finish: async (search, sealed, { id: requestId, nowMs }) => {
      const flow = open(sealed, flowSecret, nowMs);
      if (!flow) throw refused('It took too long, or it began in another browser.');
      const configuration = await provider();
      let claims: client.IDToken | undefined;
      try {
        const tokens = await client.authorizationCodeGrant(configuration, new URL(`${redirect}${search}`), {
          pkceCodeVerifier: flow.verifier,
          expectedState: flow.state,
          expectedNonce: flow.nonce,
          idTokenExpected: true,
        });
        claims = tokens.claims();
      } catch (thrown) {
        throw refused(messageOf(thrown), thrown);
      }
      if (!claims) throw refused('The provider did not say who signed in.');
      const found = claims;
      const account = await database.transaction((tx) => accountOf(tx, found, options, requestId));
      return { account, returnTo: flow.returnTo };
    },
  };
}

async function accountOf(
  tx: Transaction,
  claims: client.IDToken,
  { groupsClaim, rolesOfGroups }: OpenIdOptions,
  requestId: string,
): Promise<Account> {
  const { iss, sub } = claims;
  const text = (name: string) => (typeof claims[name] === 'string' ? (claims[name] as string) : undefined);
  const email = text('email') ?? null;
  // Two first sign-ins of one person take turns; names are chosen under the same lock.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('starling accounts'))`);
  const mine = and(eq(accounts.oidcIssuer, iss), eq(accounts.oidcSubject, sub));
  const [known] = await tx.select().from(accounts).where(mine);
  if (known?.disabledAt) throw refused('This account is disabled.');
  const wanted = text('preferred_username') ?? email?.split('@')[0] ?? 'person';
  const name = known?.name ?? (await freeName(tx, wanted));
  const displayName = text('name') ?? known?.displayName ?? name;
  const [account] = known
    ? await tx.update(accounts).set({ displayName, email, lastSignInAt: sql`now()` }).where(mine).returning()
    : await tx
        .insert(accounts)
        // Never joined to an account of the same name or address: whoever runs the provider could take it over.
        .values({
          name,
          displayName,
          email,
          oidcIssuer: iss,
          oidcSubject: sub,
          createdBy: 'openid',
          lastSignInAt: sql`now()` as never,
        })
        .returning();
  const groups = claims[groupsClaim];
  const grants = (Array.isArray(groups) ? groups : []).flatMap((group) => rolesOfGroups.get(String(group)) ?? []);
  await replaceProviderGrants(tx, account!.id, grants);
  const entry = { actor: name, project: null, target: name, requestId };
  if (!known) await recordAudit(tx, { ...entry, action: 'account.add', details: { issuer: iss } });
  await recordAudit(tx, { ...entry, action: 'account.sign-in', details: { with: 'openid', grants } });
  return account!;
}

/** `ada`, or `ada-2` when that is taken. */
async function freeName(tx: Transaction, wanted: string): Promise<string> {
  const plain =
    wanted
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]/g, '-')
      .replace(/^[^a-z]+/, '')
      .slice(0, 50) || 'person';
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? plain : `${plain}-${number}`;
    const [taken] = await tx.select({ id: accounts.id }).from(accounts).where(eq(accounts.name, name));
    if (!taken) return name;
  }
}

function refused(why: string, cause?: unknown): StarlingError {
  return new StarlingError('UNAUTHENTICATED', `The sign-in was not completed. ${why}`, {
    fix: 'Begin it again.',
    cause,
  });
}

function isLoopback(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

function seal(flow: Flow, secret: string): string {
  const body = Buffer.from(JSON.stringify(flow)).toString('base64url');
  return `${body}.${signature(body, secret).toString('base64url')}`;
}

function open(sealed: string | undefined, secret: string, nowMs: number): Flow | undefined {
  const [body, signed] = (sealed ?? '').split('.');
  if (!body || !signed) return undefined;
  const expected = signature(body, secret);
  const given = Buffer.from(signed, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const flow = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Flow;
  return flow.until > nowMs ? flow : undefined;
}

const signature = (body: string, secret: string) => createHmac('sha256', secret).update(`openid flow ${body}`).digest();
