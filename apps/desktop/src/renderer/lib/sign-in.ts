import { queryClient } from './api.ts';

/** What a person shows to be let in. */
export type Credentials = { token: string } | { name: string; password: string };

/** Exchanges it for a session. The page forgets it at once: a cookie or the main process keeps what it is given for it. */
export async function signIn(credentials: Credentials): Promise<void> {
  let response: Response;
  try {
    response = await fetch('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(credentials),
      signal: AbortSignal.timeout(20_000),
    });
  } catch {
    throw new Error('The server cannot be reached. Check that it runs, then try again.');
  }
  if (!response.ok) {
    const answer = (await response.json().catch(() => null)) as { message?: unknown } | null;
    throw new Error(
      typeof answer?.message === 'string' ? answer.message : `The server refused to sign in (HTTP ${response.status}).`,
    );
  }
  await queryClient.resetQueries();
}

/** Which ways in there are beside name, password and token; none more when the server does not say. */
export async function readWays(): Promise<{ openId: boolean }> {
  const response = await fetch('/session/ways', { signal: AbortSignal.timeout(5_000) }).catch(() => null);
  const isJson = response?.headers.get('content-type')?.startsWith('application/json');
  return response?.ok && isJson ? ((await response.json()) as { openId: boolean }) : { openId: false };
}

/** Where the company's provider takes over; it brings people back to the page they are on. */
export const openIdAddress = (): string =>
  `/oidc/start?returnTo=${encodeURIComponent(window.location.pathname + window.location.search)}`;

export async function signOut(): Promise<void> {
  await fetch('/session', { method: 'DELETE', signal: AbortSignal.timeout(20_000) });
  await queryClient.resetQueries();
}

/** The token of a sign-in link (`#sign-in=…`), taken out of the address before anything else can see it. */
export function takeTokenFromAddress(): string | null {
  const token = tokenInFragment(window.location.hash);
  if (token !== null) window.history.replaceState(null, '', window.location.pathname + window.location.search);
  return token;
}

export function tokenInFragment(fragment: string): string | null {
  const token = new URLSearchParams(fragment.replace(/^#/, '')).get('sign-in');
  return token && token.length <= 500 ? token : null;
}
