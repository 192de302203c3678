import { Readable } from 'node:stream';
import { allows, allProjects } from '@starling/shared/permissions.ts';
import { projectName } from '@starling/shared/words.ts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { streamAudit } from '../audit/read.ts';
import type { Database } from '../db/connect.ts';
import type { Caller } from './context.ts';

const query = z.strictObject({
  project: projectName.optional(),
  actor: z.string().max(200).optional(),
  action: z.string().max(100).optional(),
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
});

/** `GET /audit.ndjson?project=&actor=&action=&from=&to=`: the audit log as one JSON object a line, oldest first, for administrators. */
export function serveAudit(
  server: FastifyInstance,
  database: Database,
  callerOf: (request: FastifyRequest) => Promise<Caller | undefined>,
): void {
  server.get('/audit.ndjson', async (request, reply) => {
    const caller = await callerOf(request);
    if (!caller) return reply.code(401).send({ message: 'You are not signed in.' });
    const parsed = query.safeParse(request.query);
    if (!parsed.success) return reply.code(400).send({ message: z.prettifyError(parsed.error) });
    const { from, to, ...filter } = parsed.data;
    const grants = caller.kind === 'person' ? caller.grants : [];
    if (!allows(grants, 'administer', filter.project ?? allProjects)) {
      return reply.code(403).send({ message: 'The audit log is for administrators.' });
    }
    const times = { from: from ? new Date(from) : undefined, to: to ? new Date(to) : undefined };
    const lines = async function* () {
      for await (const link of streamAudit(database, { ...filter, ...times })) yield `${JSON.stringify(link)}\n`;
    };
    // A stream that is pulled: a slow reader keeps the database waiting, not our memory filling.
    return reply.type('application/x-ndjson').header('Cache-Control', 'no-store').send(Readable.from(lines()));
  });
}
