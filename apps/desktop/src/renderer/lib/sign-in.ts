import { queryClient } from './api.ts';

/** Exchanges a token for a session. The page forgets the token at once: a cookie or the main process keeps it. */
export async function signIn(token: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: token.trim() }),
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
