import { allows, allProjects } from '@starling/shared/permissions.ts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from './context.ts';

export type ReadMetrics = () => Promise<{ contentType: string; text: string }>;

/**
 * `GET /metrics`, for those who call from this host directly, and for tokens that may view every project. A reverse proxy on
 * this host calls from here too, for anybody: it is told by the header it adds.
 */
export function serveMetrics(
  server: FastifyInstance,
  callerOf: (request: FastifyRequest) => Promise<Caller | undefined>,
  read: ReadMetrics,
): void {
  server.get('/metrics', async (request, reply) => {
    if (!isFromHere(request) && !mayViewAll(await callerOf(request))) {
      return reply
        .code(401)
        .header('WWW-Authenticate', 'Bearer')
        .send({ message: 'Metrics are for callers on this host, or with a token that may view every project.' });
    }
    const { contentType, text } = await read();
    return reply.header('Content-Type', contentType).send(text);
  });
}

function isFromHere({ socket, headers }: FastifyRequest): boolean {
  if (headers.forwarded ?? headers['x-forwarded-for'] ?? headers['x-real-ip'] ?? headers.via) return false;
  return /^(::1|(::ffff:)?127(\.\d+){3})$/.test(socket.remoteAddress ?? '');
}

function mayViewAll(caller: Caller | undefined): boolean {
  return caller?.kind === 'person' && allows(caller.grants, 'view', allProjects);
}
