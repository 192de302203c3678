import { existsSync } from 'node:fs';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** Serves the built console; without it only the API is there. */
export async function registerConsole(server: FastifyInstance, folder: string | undefined): Promise<void> {
  if (!folder || !existsSync(folder)) return;
  await server.register(fastifyStatic, { root: folder, setHeaders: setConsoleHeaders });
  // The console has its own routes: every page address loads the same document.
  server.setNotFoundHandler((request, reply) =>
    request.method === 'GET' && request.headers.accept?.includes('text/html')
      ? reply.sendFile('index.html')
      : reply.code(404).send({ message: `${request.method} ${request.url} is not here.` }),
  );
}

function setConsoleHeaders(reply: FastifyReply, path: string): void {
  const policy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
  reply.header('Content-Security-Policy', policy);
  // Built files carry their digest in their names; the document that names them does not.
  reply.header('Cache-Control', /\/assets\//.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache');
}
