import type { IncomingMessage, ServerResponse } from 'node:http';
import { sha256Hex } from '@starling/shared/words.ts';
import type { AgentRequests } from './agent-requests.ts';
import type { AgentSessions } from './agent-sessions.ts';
import { type FileSender, type SentFile, say, sayPulling } from './file-sender.ts';

export interface ServedBytes {
  manifest(digest: string): { path: string } | 'pulling' | undefined;
  /** As a patch of one of those that the machine has. */
  shortManifest(digest: string, has: readonly string[]): Promise<{ path: string } | 'pulling' | undefined>;
  pack(sha256: string): SentFile | 'pulling' | undefined;
}

export interface RequestOptions {
  sessions: AgentSessions;
  posts: AgentRequests;
  bytes: ServedBytes;
  files: FileSender;
  /** What `/healthz` answers. */
  health: () => object;
  /** What `/metrics` answers. */
  metrics: () => Promise<{ contentType: string; text: string }>;
}

/**
 * Answers `GET /healthz` and `/metrics`, what agents post to prove who they are, and with an agent's session `GET|HEAD
 * /manifests/<digest>`, `/manifests/<digest>/short?have=<digests>` and `/packs/<sha256>`.
 */
export async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: RequestOptions,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  if (request.method === 'POST' && (await options.posts.answer(path, request, response))) return;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return say(response, 405, 'only GET and HEAD are answered here');
  }
  if (path === '/healthz') return sendJson(response, options.health());
  if (path === '/metrics') {
    const { contentType, text } = await options.metrics();
    response.writeHead(200, { 'content-type': contentType }).end(text);
    return;
  }
  const [, kind, digest, ...more] = path.split('/');
  const isShort = kind === 'manifests' && more[0] === 'short' && more.length === 1;
  const isKnown = isShort || ((kind === 'manifests' || kind === 'packs') && more.length === 0);
  if (!isKnown || !sha256Hex.safeParse(digest).success) return say(response, 404, `there is nothing at ${path}`);
  if (!options.sessions.ownerOf(request.headers.authorization)) {
    response.setHeader('www-authenticate', 'Bearer');
    return say(response, 401, 'there is no such session of an agent, or it is over');
  }
  const name = digest as string;
  if (isShort) {
    const found = await options.bytes.shortManifest(name, digestsIn(request.url));
    return sendFound(request, response, { path, found, files: options.files });
  }
  const found = kind === 'manifests' ? options.bytes.manifest(name) : options.bytes.pack(name);
  await sendFound(request, response, { path, found, files: options.files, digest: name });
}

const mostDigests = 16;

function digestsIn(url = '/'): string[] {
  const given = new URL(url, 'http://hub').searchParams.get('have') ?? '';
  return given.split(',', mostDigests).filter((digest) => sha256Hex.safeParse(digest).success);
}

interface Found {
  path: string;
  found: SentFile | 'pulling' | undefined;
  files: FileSender;
  digest?: string;
}

async function sendFound(
  request: IncomingMessage,
  response: ServerResponse,
  { path, found, files, digest }: Found,
): Promise<void> {
  if (found === undefined) return say(response, 404, `no version key names ${path}`);
  if (found === 'pulling') return sayPulling(response, path);
  await files.send(request, response, found, digest);
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
