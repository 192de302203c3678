import type { RootRouter } from '@starling/server/api/root.ts';
import { createTRPCClient, httpBatchLink } from '@trpc/client';

export type ApiClient = ReturnType<typeof connectApi>;

/** The API of a control server, with a token. */
export function connectApi(url: string, token: string) {
  return createTRPCClient<RootRouter>({
    links: [httpBatchLink({ url: `${url}/trpc`, headers: { authorization: `Bearer ${token}` } })],
  });
}
