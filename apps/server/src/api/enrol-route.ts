import { serverEnrolment } from '@starling/shared/enrolment.ts';
import { type ErrorCode, StarlingError } from '@starling/shared/errors.ts';
import type { FastifyInstance } from 'fastify';
import { enrol } from '../identities/enrol.ts';
import type { ApiDependencies } from './context.ts';
import { tooMany, type WrongTries } from './protect.ts';

const statuses: Partial<Record<ErrorCode, number>> = { UNAUTHENTICATED: 401, FORBIDDEN: 403, CONFLICT: 409 };

/**
 * `POST /enrol` lets a hub or a worker in that shows an enrolment token; agents ask their hub. Nobody is signed in here,
 * so an address that showed wrong tokens has to wait, as it has to when it signs in.
 */
export function registerEnrolRoute(
  server: FastifyInstance,
  { database, log }: Pick<ApiDependencies, 'database' | 'log'>,
  wrongTries: WrongTries,
): void {
  server.post('/enrol', { bodyLimit: 16 * 1024 }, async (request, reply) => {
    const waitMs = wrongTries.waitFor(request);
    if (waitMs > 0) return tooMany(reply, waitMs);
    const given = serverEnrolment.safeParse(request.body);
    if (!given.success) {
      const issue = given.error.issues[0];
      return reply.code(400).send({ code: 'INVALID_INPUT', message: `${issue?.path.join('.')}: ${issue?.message}` });
    }
    try {
      const { token, ...rest } = given.data;
      const enrolled = await enrol(database, { ...rest, token, requestId: request.id });
      log.info({ requestId: request.id }, `${enrolled.kind} ${enrolled.name} is enrolled`);
      return reply.send(enrolled);
    } catch (thrown) {
      if (!(thrown instanceof StarlingError)) throw thrown;
      if (thrown.code === 'UNAUTHENTICATED') wrongTries.note(request);
      const { code, message, fix } = thrown;
      return reply.code(statuses[code] ?? 500).send({ code, message, fix: fix ?? null });
    }
  });
}
