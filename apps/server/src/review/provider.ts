import { StarlingError } from '@starling/shared/errors.ts';

/** A code host whose REST API is asked. */
export interface Provider {
  /** Without a slash at the end, for example `https://api.github.com` or `https://gitlab.example.com/api/v4`. */
  baseUrl: string;
  token: string;
}

const timeoutMs = 10_000;
const mostPages = 10;
const mostAnswerBytes = 8 * 1024 * 1024;

/** It has been asked too often; nobody is asked again before `at`. */
export class RateLimited extends Error {
  readonly at: Date;

  constructor(host: string, at: Date) {
    super(`${host} answers no more until ${at.toISOString().slice(11, 16)} UTC`);
    this.name = 'RateLimited';
    this.at = at;
  }
}

/**
 * All pages of a list, or the one object, at a path. Undefined when there is nothing there. Throws RateLimited, and
 * UNAVAILABLE with what the host said otherwise.
 */
export async function ask<T>(
  provider: Provider,
  path: string,
  headers: Record<string, string>,
): Promise<T | undefined> {
  let next: string | undefined = `${provider.baseUrl}${path}`;
  let gathered: unknown[] | undefined;
  for (let page = 0; next !== undefined && page < mostPages; page += 1) {
    const { host }: URL = new URL(next);
    const response: Response = await fetch(next, {
      headers: { 'user-agent': 'Starling', ...headers },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((thrown: Error) => {
      throw new StarlingError('UNAVAILABLE', `${host} cannot be reached: ${thrown.message}`, { cause: thrown });
    });
    if (response.status === 404) return undefined;
    if (isRateLimit(response)) throw new RateLimited(host, resetOf(response));
    if (!response.ok) throw new StarlingError('UNAVAILABLE', `${host} answered ${response.status}`);
    if (Number(response.headers.get('content-length') ?? 0) > mostAnswerBytes)
      throw new StarlingError('UNAVAILABLE', `${host} answered more than can be read`);
    const answer = (await response.json()) as unknown;
    if (!Array.isArray(answer)) return answer as T;
    gathered = [...(gathered ?? []), ...answer];
    next = nextOf(response, provider.baseUrl);
  }
  return gathered as T;
}

function isRateLimit({ status, headers }: Response): boolean {
  return (
    status === 429 || (status === 403 && (headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after')))
  );
}

function resetOf({ headers }: Response): Date {
  const after = Number(headers.get('retry-after'));
  const reset = Number(headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset'));
  return new Date(after > 0 ? Date.now() + after * 1_000 : reset > 0 ? reset * 1_000 : Date.now() + 60_000);
}

/** The next page by the Link header (RFC 8288); only on the same host, as our token goes with it. */
function nextOf({ headers }: Response, baseUrl: string): string | undefined {
  const found = /<([^>]+)>\s*;[^,]*\brel="?next"?/.exec(headers.get('link') ?? '')?.[1];
  return found?.startsWith(`${new URL(baseUrl).origin}/`) ? found : undefined;
}
