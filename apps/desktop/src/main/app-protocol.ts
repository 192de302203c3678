import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';

// The window's pages come from `app://console`, and so does the API: what goes to `/trpc`, `/session` and
// `/audit.ndjson` is passed on to the selected server, with the token added here. The page itself never holds it.

export const appOrigin = 'app://console';

const policy = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'self'",
].join('; ');

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

export type Route =
  | { kind: 'file'; path: string }
  | { kind: 'api'; path: string }
  | { kind: 'session'; method: 'POST' | 'DELETE' }
  | { kind: 'refused'; status: number; because: string };

/** What a request for `app://…` is for. `origin` is the request's Origin header, if it has one. */
export function routeAppRequest(method: string, address: string, origin: string | null): Route {
  const refused = (status: number, because: string): Route => ({ kind: 'refused', status, because });
  if (!URL.canParse(address)) return refused(400, 'This is no address.');
  const url = new URL(address);
  if (url.protocol !== 'app:' || url.host !== 'console') return refused(404, 'There is nothing at this address.');
  if (origin !== null && origin !== appOrigin) return refused(403, 'Only the console itself may ask.');
  if (url.pathname === '/session') {
    return method === 'POST' || method === 'DELETE'
      ? { kind: 'session', method }
      : refused(405, 'A session is only begun and ended.');
  }
  if (url.pathname.startsWith('/trpc/')) {
    if (method !== 'GET' && method !== 'POST') return refused(405, 'The API takes GET and POST.');
    return { kind: 'api', path: url.pathname + url.search };
  }
  if (method !== 'GET' && method !== 'HEAD') return refused(405, 'Files are only read.');
  // What the server offers as a file.
  if (url.pathname === '/audit.ndjson') return { kind: 'api', path: url.pathname + url.search };
  const path = filePath(url.pathname);
  return path === null ? refused(400, 'This is no path.') : { kind: 'file', path };
}

/** The file, relative to the renderer's folder. Every address of a page gives the one document. */
function filePath(pathname: string): string | null {
  let decoded: string;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return null;
  }
  if (decoded.includes('\0') || decoded.includes('\\')) return null;
  const path = normalize(decoded).replace(/^[/\\]+/, '');
  if (path.split(/[/\\]/).includes('..')) return null;
  // Only what the build made has one of these endings; an id in a page's address may contain a dot.
  return Object.hasOwn(types, extname(path)) && extname(path) !== '.html' ? path : 'index.html';
}

export interface AppProtocolParts {
  rendererFolder: string;
  /** Where requests go now; undefined when no server is known. */
  server(): { id: string; url: string } | undefined;
  tokens: {
    get(profile: string): string | undefined;
    set(profile: string, token: string): Promise<void>;
    forget(profile: string): Promise<void>;
  };
  /** Electron's `net.fetch`: it uses the system's proxy and certificates. */
  fetch(url: string, init: RequestInit & { duplex?: 'half' }): Promise<Response>;
}

/** Answers every request of the window. */
export function createAppHandler(parts: AppProtocolParts): (request: Request) => Promise<Response> {
  return async (request) => {
    const route = routeAppRequest(request.method, request.url, request.headers.get('origin'));
    switch (route.kind) {
      case 'refused':
        return jsonResponse(route.status, { message: route.because });
      case 'file':
        return serveFile(parts.rendererFolder, route.path);
      case 'session':
        return answerSession(parts, route.method, request);
      case 'api':
        return forward(parts, route.path, request);
    }
  };
}

async function serveFile(folder: string, path: string): Promise<Response> {
  const file = join(folder, path);
  if (!file.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
    return jsonResponse(400, { message: 'This is no path.' });
  }
  try {
    return new Response(new Uint8Array(await readFile(file)), {
      headers: {
        'content-type': types[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': policy,
        'x-content-type-options': 'nosniff',
      },
    });
  } catch {
    return jsonResponse(404, { message: `${path} is not part of the console.` });
  }
}

/** Name and password become a token of this console, as it keeps no cookies; or what the server said instead. */
async function exchanged(
  { fetch }: AppProtocolParts,
  server: string,
  { name, password }: { name?: unknown; password?: unknown },
): Promise<string | undefined | Response> {
  if (typeof name !== 'string' || typeof password !== 'string') return undefined;
  let answer: Response;
  try {
    answer = await fetch(`${server}/session/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, password, for: 'desktop console' }),
    });
  } catch {
    return jsonResponse(502, { message: 'The server cannot be reached.' });
  }
  const { token, message } = ((await answer.json().catch(() => null)) ?? {}) as { token?: string; message?: string };
  return token ?? jsonResponse(answer.status, { message: message ?? 'The server refused to sign in.' });
}

async function answerSession(parts: AppProtocolParts, method: 'POST' | 'DELETE', request: Request): Promise<Response> {
  const { server, tokens, fetch } = parts;
  const target = server();
  if (!target) return jsonResponse(503, { message: 'No server is selected.' });
  if (method === 'DELETE') {
    await tokens.forget(target.id);
    return jsonResponse(200, {});
  }
  const given = ((await request.json().catch(() => null)) ?? {}) as {
    token?: unknown;
    name?: unknown;
    password?: unknown;
  };
  const token = given.token ?? (await exchanged(parts, target.url, given));
  if (token instanceof Response) return token;
  if (typeof token !== 'string' || !/^[\x21-\x7e]{1,500}$/.test(token)) {
    return jsonResponse(400, { message: 'This is no token: it has characters that no token has.' });
  }
  let answer: Response;
  try {
    answer = await fetch(`${target.url}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
      credentials: 'omit',
      redirect: 'error',
      signal: AbortSignal.timeout(20_000),
    });
  } catch {
    return jsonResponse(502, { message: `${target.url} cannot be reached.` });
  }
  if (answer.ok) await tokens.set(target.id, token);
  // The server's cookie is for browsers; it goes no further.
  return new Response(await answer.text(), { status: answer.status, headers: { 'content-type': 'application/json' } });
}

const requestHeaders = ['accept', 'content-type', 'trpc-accept', 'last-event-id'];
const responseHeaders = ['content-type', 'cache-control', 'x-request-id', 'x-accel-buffering'];

async function forward({ server, tokens, fetch }: AppProtocolParts, path: string, request: Request): Promise<Response> {
  const target = server();
  if (!target) return jsonResponse(503, { message: 'No server is selected.' });
  const headers = new Headers();
  for (const name of requestHeaders) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const token = tokens.get(target.id);
  if (token) headers.set('authorization', `Bearer ${token}`);
  let answer: Response;
  try {
    answer = await fetch(`${target.url}${path}`, {
      method: request.method,
      headers,
      // A redirect would carry the token to wherever it points.
      redirect: 'error',
      credentials: 'omit',
      signal: request.signal,
      ...(request.body ? { body: request.body, duplex: 'half' } : {}),
    });
  } catch {
    return jsonResponse(502, { message: `${target.url} cannot be reached.` });
  }
  const passed = new Headers();
  for (const name of responseHeaders) {
    const value = answer.headers.get(name);
    if (value !== null) passed.set(name, value);
  }
  // The body is passed on as it comes: a stream of events stays one.
  return new Response(answer.body, { status: answer.status, headers: passed });
}

function jsonResponse(status: number, content: object): Response {
  return new Response(JSON.stringify(content), { status, headers: { 'content-type': 'application/json' } });
}
