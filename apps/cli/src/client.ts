import type { RootRouter } from '@starling/server/api/root.ts';
import { createTRPCClient, httpLink, httpSubscriptionLink, splitLink, type TRPCClient } from '@trpc/client';
import { EventSource } from 'eventsource';
import type { Access } from './access.ts';

export type Api = TRPCClient<RootRouter>;

/** Asking a server to reach a repository may take a while; nothing a request does takes longer than this. */
export const requestTimeoutMs = 60_000;

/** Something answered that is no Starling server: a proxy in between, or another program at that address. */
export class ForeignAnswer extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the answer (HTTP ${status}) is not JSON`);
    this.name = 'ForeignAnswer';
    this.status = status;
  }
}

/** The API of a server. `stop` ends every request and subscription that is under way. */
export function connect(access: Pick<Access, 'server' | 'token'>, stop: AbortSignal): Api {
  const url = `${access.server}/trpc`;
  const headers: Record<string, string> = access.token ? { Authorization: `Bearer ${access.token}` } : {};
  return createTRPCClient<RootRouter>({
    links: [
      splitLink({
        condition: (operation) => operation.type === 'subscription',
        true: httpSubscriptionLink({
          url,
          EventSource,
          eventSourceOptions: {
            fetch: (address, init) =>
              fetch(address, {
                ...init,
                headers: { ...init.headers, ...headers },
                signal: AbortSignal.any([stop, ...(init.signal ? [init.signal as AbortSignal] : [])]),
              }),
          },
        }),
        false: httpLink({
          url,
          headers,
          fetch: async (address, init) => {
            const response = await fetch(address, {
              ...(init as RequestInit),
              signal: AbortSignal.any([
                stop,
                AbortSignal.timeout(requestTimeoutMs),
                ...(init?.signal ? [init.signal as AbortSignal] : []),
              ]),
            });
            if (/^application\/(.*\+)?json\b/.test(response.headers.get('content-type') ?? '')) return response;
            await response.body?.cancel();
            throw new ForeignAnswer(response.status);
          },
        }),
      }),
    ],
  });
}
