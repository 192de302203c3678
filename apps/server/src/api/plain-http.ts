import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StarlingError } from '@starling/shared/errors.ts';
import { TRPCError } from '@trpc/server';
import { getHTTPStatusCodeFromError } from '@trpc/server/http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Context } from './context.ts';
import { type JsonSchema, proceduresOf } from './input-schema.ts';
import { rootRouter } from './root.ts';
import { createCallerFactory, describe } from './trpc.ts';

// The procedures for those who have no tRPC: `GET /api/v1/jobs.list?project=shop&limit=5`, `POST /api/v1/jobs.create` with
// a JSON body. The same procedures, guards and errors; only the envelope is left out. Streams stay with tRPC.

const prefix = '/api/v1';
const openapiFile = fileURLToPath(new URL('./openapi.json', import.meta.url));
const createCaller = createCallerFactory(rootRouter);

export function registerPlainHttp(
  server: FastifyInstance,
  createContext: (request: FastifyRequest) => Promise<Context>,
): void {
  server.get(`${prefix}/openapi.json`, async (_request, reply) =>
    reply.type('application/json').send(await readFile(openapiFile, 'utf8')),
  );
  for (const [path, { type, input }] of proceduresOf(rootRouter)) {
    if (type === 'subscription') continue;
    server.route({
      method: type === 'query' ? 'GET' : 'POST',
      url: `${prefix}/${path}`,
      handler: async (request, reply) => {
        const ctx = await createContext(request);
        try {
          const given = type === 'query' ? readQuery(request.query as Query, input) : (request.body ?? undefined);
          const answer = await procedureAt(createCaller(ctx), path)(input ? (given ?? {}) : undefined);
          return reply.header('Cache-Control', 'no-store').send(answer === undefined ? 'null' : answer);
        } catch (thrown) {
          const error = thrown instanceof TRPCError ? thrown : new TRPCError({ code: 'BAD_REQUEST', cause: thrown });
          const { starlingCode: code, message, field, fix } = describe(error);
          return reply
            .code(getHTTPStatusCodeFromError(error))
            .send({ code, message, field, fix, requestId: request.id });
        }
      },
    });
  }
}

function procedureAt(caller: unknown, path: string): (input: unknown) => Promise<unknown> {
  let found = caller as Record<string, unknown>;
  for (const name of path.split('.')) found = found[name] as Record<string, unknown>;
  return found as unknown as (input: unknown) => Promise<unknown>;
}

type Query = Record<string, string | string[]>;

/**
 * Query parameters as the procedure takes them: numbers and booleans read as such, everything but text as JSON. What
 * cannot be read stays text, and the procedure says what it expected. Throws INVALID_INPUT for a parameter it does not have.
 */
function readQuery(query: Query, schema: JsonSchema | undefined): Record<string, unknown> {
  const properties = schema?.properties ?? {};
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => {
      const property = properties[name];
      if (!property) {
        throw new StarlingError('INVALID_INPUT', `${name} is no parameter of this call.`, {
          field: name,
          fix: `Its parameters: ${Object.keys(properties).join(', ') || 'none'}.`,
        });
      }
      return [name, readValue(value, property)];
    }),
  );
}

function readValue(value: string | string[], { type }: JsonSchema): unknown {
  const takes = (name: string) => (Array.isArray(type) ? type.includes(name) : type === name);
  if (Array.isArray(value)) return value;
  if (takes('string')) return value;
  if (takes('array') && !value.startsWith('[')) return [value];
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
