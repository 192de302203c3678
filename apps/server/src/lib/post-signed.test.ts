import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { postSigned, signatureOf } from './post-signed.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function receiver(answer: (request: IncomingMessage, body: string, response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => answer(request, body, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=hidden`;
}

const post = (url: string, more: Partial<Parameters<typeof postSigned>[0]> = {}) =>
  postSigned({
    url,
    body: { hello: 'world' },
    secret: 'a secret of sixteen',
    deliveryId: 'd-1',
    nowMs: 1_700_000_000_500,
    signal: new AbortController().signal,
    ...more,
  });

describe('a signed post', () => {
  it('carries a signature over time and body, and a delivery id', async () => {
    let seen: { headers: IncomingMessage['headers']; body: string } | undefined;
    const url = await receiver((request, body, response) => {
      seen = { headers: request.headers, body };
      response.end('thanks');
    });
    expect(await post(url)).toEqual({ status: 200, text: 'thanks', isCut: false });
    expect(seen?.headers['x-starling-delivery']).toBe('d-1');
    expect(seen?.headers['x-starling-signature']).toBe(
      signatureOf(1_700_000_000, seen?.body ?? '', 'a secret of sixteen'),
    );
    expect(seen?.headers['x-starling-signature']).toMatch(/^t=1700000000,sha256=[0-9a-f]{64}$/);
  });

  it('does not follow a redirect', async () => {
    const url = await receiver((_request, _body, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    );
    expect(await post(url)).toMatchObject({ status: 302 });
  });

  it('reads no more of the answer than asked', async () => {
    const url = await receiver((_request, _body, response) => {
      const more = () => {
        while (response.write('x'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    });
    expect((await post(url, { mostAnswerBytes: 100 })).text).toBe('x'.repeat(100));
  });

  it('says which host did not answer, without the rest of its address', async () => {
    const url = await receiver(() => {});
    const error = await post(url, { timeoutMs: 20 }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('did not answer in time') });
    expect((error as Error).message).not.toContain('hidden');
  });

  it.each(['http://169.254.169.254/latest', 'http://[fe80::1]/', 'http://[::ffff:169.254.169.254]/'])(
    'refuses to call %s',
    async (url) => {
      await expect(post(url)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    },
  );
});
