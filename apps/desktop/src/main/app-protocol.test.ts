import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { appOrigin, createAppHandler, routeAppRequest } from './app-protocol.ts';

describe('routeAppRequest', () => {
  it.each([
    ['GET', 'app://console/', { kind: 'file', path: 'index.html' }],
    ['GET', 'app://console/builds/hello@1a2b3c4d5e6f.2', { kind: 'file', path: 'index.html' }],
    ['GET', 'app://console/assets/index-abc.js', { kind: 'file', path: 'assets/index-abc.js' }],
    ['GET', 'app://console/trpc/overview.get?batch=1', { kind: 'api', path: '/trpc/overview.get?batch=1' }],
    ['GET', 'app://console/audit.ndjson?actor=ada', { kind: 'api', path: '/audit.ndjson?actor=ada' }],
    ['POST', 'app://console/session', { kind: 'session', method: 'POST' }],
  ])('%s %s', (method, address, route) => expect(routeAppRequest(method, address, null)).toEqual(route));

  it.each([
    ['GET', 'app://elsewhere/', 404],
    ['GET', 'https://console/', 404],
    ['GET', 'app://console/session', 405],
    ['DELETE', 'app://console/trpc/jobs.create', 405],
    ['POST', 'app://console/', 405],
    ['POST', 'app://console/audit.ndjson', 405],
    ['GET', 'app://console/%E0%A4%A', 400],
    ['GET', 'app://console/assets/%5C..%5Cmain.js', 400],
  ])('%s %s is refused with %d', (method, address, status) => {
    expect(routeAppRequest(method, address, null)).toMatchObject({ kind: 'refused', status });
  });

  it('never leaves the folder', () => {
    for (const path of [
      '/../../main/index.js',
      '/%2e%2e/%2e%2e/main/index.js',
      '/..%2f..%2fsecrets.json',
      '//etc/x.js',
    ]) {
      const route = routeAppRequest('GET', `app://console${path}`, null);
      if (route.kind === 'file') expect(route.path.split('/')).not.toContain('..');
    }
  });

  it('answers no other origin', () => {
    expect(routeAppRequest('POST', 'app://console/trpc/jobs.create', 'https://evil.example')).toMatchObject({
      status: 403,
    });
    expect(routeAppRequest('POST', 'app://console/trpc/jobs.create', appOrigin)).toMatchObject({ kind: 'api' });
  });
});

describe('createAppHandler', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function setUp(respond: (request: IncomingMessage, response: ServerResponse) => void) {
    const folder = await mkdtemp(join(tmpdir(), 'starling-app-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'index.html'), '<!doctype html>');
    const server: Server = createServer(respond);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(
      () => server.closeAllConnections(),
      () => server.close(),
    );
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const kept = new Map<string, string>();
    const handle = createAppHandler({
      rendererFolder: folder,
      server: () => ({ id: 'local', url }),
      tokens: {
        get: (id) => kept.get(id),
        set: async (id, token) => void kept.set(id, token),
        forget: async (id) => void kept.delete(id),
      },
      fetch: (address, init) => fetch(address, init),
    });
    return { handle, kept, server };
  }

  it('serves the document with its policy for every page', async () => {
    const { handle } = await setUp((_, response) => response.end());
    const answer = await handle(new Request('app://console/projects/hello'));
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(await answer.text()).toBe('<!doctype html>');
    expect((await handle(new Request('app://console/assets/gone.js'))).status).toBe(404);
  });

  it('adds the token on the way to the server, and lets no cookie through', async () => {
    const seen: (string | undefined)[] = [];
    const { handle, kept } = await setUp((request, response) => {
      seen.push(request.headers.authorization, request.headers.cookie);
      response
        .writeHead(200, { 'set-cookie': 'x=1', 'content-type': 'application/json', 'x-request-id': 'r1' })
        .end('[]');
    });
    kept.set('local', 'stl_secret');
    const answer = await handle(new Request('app://console/trpc/overview.get', { headers: { accept: '*/*' } }));
    expect(seen).toEqual(['Bearer stl_secret', undefined]);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.headers.get('x-request-id')).toBe('r1');
  });

  it('passes bodies on', async () => {
    const { handle } = await setUp((request, response) => void request.pipe(response));
    const answer = await handle(
      new Request('app://console/trpc/jobs.create', {
        method: 'POST',
        body: '{"project":"hello"}',
        headers: { 'content-type': 'application/json' },
      }),
    );
    expect(await answer.text()).toBe('{"project":"hello"}');
  });

  it('passes a stream on as it comes', async () => {
    const sent = Promise.withResolvers<void>();
    const { handle } = await setUp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: one\n\n');
      void sent.promise.then(() => response.end('data: two\n\n'));
    });
    const reader = (await handle(new Request('app://console/trpc/overview.changes'))).body!.getReader();
    const text = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await text()).toBe('data: one\n\n');
    sent.resolve();
    expect(await text()).toBe('data: two\n\n');
  });

  it('keeps a token only when the server knows it', async () => {
    const { handle, kept } = await setUp((request, response) => {
      let body = '';
      request
        .on('data', (piece) => (body += piece))
        .on('end', () => {
          response.writeHead(body.includes('stl_good') ? 200 : 401).end('{"message":"?"}');
        });
    });
    const signIn = (token: string) =>
      handle(new Request('app://console/session', { method: 'POST', body: JSON.stringify({ token }) }));
    expect((await signIn('stl_bad')).status).toBe(401);
    expect((await signIn('stl_line\nbreak')).status).toBe(400);
    expect(kept.size).toBe(0);
    expect((await signIn('stl_good')).status).toBe(200);
    expect(kept.get('local')).toBe('stl_good');
    await handle(new Request('app://console/session', { method: 'DELETE' }));
    expect(kept.size).toBe(0);
  });

  it('says so when the server is away or sends elsewhere', async () => {
    const { handle, server } = await setUp((_, response) =>
      response.writeHead(302, { location: 'https://evil.example' }).end(),
    );
    expect((await handle(new Request('app://console/trpc/overview.get'))).status).toBe(502);
    await new Promise((resolve) => server.close(resolve));
    expect((await handle(new Request('app://console/trpc/overview.get'))).status).toBe(502);
  });
});
