import type { FastifyRequest } from 'fastify';
import { personWithSession, type SessionLimits } from '../accounts/sessions.ts';
import { personWithToken } from '../accounts/tokens.ts';
import type { Database } from '../db/connect.ts';
import { processWithCredential } from '../identities/credentials.ts';
import type { Caller } from './context.ts';

/** A cookie of this name is only taken over HTTPS, from this very host and for all of its paths. */
const secureCookie = '__Host-starling_session';
const plainCookie = 'starling_session';
export const sessionCookieName = (secure: boolean): string => (secure ? secureCookie : plainCookie);

/** What a request calls with: a token that it shows, or the session of the browser that sent it. */
export interface Presented {
  token: string | undefined;
  session: string | undefined;
}

export function presentedBy({ headers }: Pick<FastifyRequest, 'headers'>): Presented {
  const token = /^Bearer (\S{1,4096})$/i.exec(headers.authorization ?? '')?.[1];
  const session = cookieOf(headers.cookie, secureCookie) ?? cookieOf(headers.cookie, plainCookie);
  return { token, session: token === undefined ? session : undefined };
}

export function cookieOf(header: string | undefined, name: string): string | undefined {
  const pair = header?.split(/; */).find((candidate) => candidate.startsWith(`${name}=`));
  return pair?.slice(name.length + 1) || undefined;
}

/** Who calls: a person by token or session, or a process by its credential; undefined when nobody is known by it. */
export async function callerOf(
  database: Database,
  { token, session }: Presented,
  limits: SessionLimits,
): Promise<Caller | undefined> {
  if (session !== undefined) return personWithSession(database, session, limits);
  if (token === undefined) return undefined;
  return (await personWithToken(database, token)) ?? (await processWithCredential(database, token));
}
