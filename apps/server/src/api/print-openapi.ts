import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type JsonSchema, proceduresOf } from './input-schema.ts';
import { rootRouter } from './root.ts';

// Prints the OpenAPI document of the plain HTTP API, as the types of the router say it:
// `node apps/server/src/api/print-openapi.ts > apps/server/src/api/openapi.json` (a test compares the two).

// The generator reads types through the compiler's JavaScript API, which TypeScript 7 does not have.
registerHooks({
  resolve: (specifier, context, next) => next(specifier === 'typescript' ? 'typescript-5' : specifier, context),
});
const { generateOpenAPIDocument } = await import('@trpc/openapi');
const procedures = proceduresOf(rootRouter);

interface Operation {
  operationId: string;
  description?: string;
  tags?: string[];
  parameters?: unknown[];
  requestBody?: unknown;
  responses: Record<string, unknown>;
}
type Content = { content: { 'application/json': { schema: JsonSchema } } };

const root = fileURLToPath(new URL('./root.ts', import.meta.url));
const generated = await generateOpenAPIDocument(root, { exportName: 'RootRouter', title: 'Starling', version: '1' });
const source = generated as unknown as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonSchema> };
};

/** tRPC wraps what a procedure answers in `result.data`, and takes a query's input as one JSON parameter; we do neither. */
function plain(operation: Operation) {
  const answer = (operation.responses['200'] as Content | undefined)?.content?.['application/json']?.schema;
  const data = answer?.properties?.result?.properties?.data ?? {};
  return {
    operationId: operation.operationId,
    ...(operation.description && { description: operation.description }),
    tags: operation.tags ?? [],
    ...inputOf(operation),
    responses: {
      200: { description: 'What the procedure answers.', content: { 'application/json': { schema: data } } },
      default: { $ref: '#/components/responses/Refused' },
    },
  };
}

/** Limits and patterns as the procedure checks them, with what the types say of each field. */
function inputOf({ operationId, parameters, requestBody }: Operation) {
  const { type, input } = procedures.get(operationId) ?? {};
  if (!input) return {};
  const typed = ((requestBody ?? (parameters ?? [])[0]) as Content | undefined)?.content?.['application/json']?.schema;
  const { $schema: _, ...schema } = input;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const description = typed?.properties?.[name]?.description;
    if (description) property.description ??= description;
  }
  if (type === 'mutation') return { requestBody: { required: true, content: { 'application/json': { schema } } } };
  return {
    parameters: Object.entries(schema.properties ?? {}).map(([name, { description, ...property }]) => ({
      name,
      in: 'query',
      required: schema.required?.includes(name) ?? false,
      ...(description && { description }),
      schema: property,
    })),
  };
}

const paths = Object.fromEntries(
  Object.entries(source.paths)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, methods]) => [
      `/api/v1${path}`,
      Object.fromEntries(Object.entries(methods).map(([method, operation]) => [method, plain(operation)])),
    ]),
);
const text = { type: 'string' };
const textOrNull = { type: ['string', 'null'] };
const document = {
  openapi: source.openapi,
  info: {
    title: 'Starling',
    version: '1',
    description:
      'The procedures that the console and the CLI call, as plain HTTP: GET for what only reads, with the input as query parameters (arrays and objects as JSON); POST with a JSON body for what changes something. Times are ISO 8601 in UTC.',
  },
  servers: [{ url: '/' }],
  security: [{ token: [] }],
  paths,
  components: {
    schemas: source.components.schemas,
    securitySchemes: {
      token: { type: 'http', scheme: 'bearer', description: 'A token from `starling tokens create`.' },
    },
    responses: {
      Refused: {
        description: 'The call was refused; nothing was changed.',
        content: {
          'application/json': {
            schema: {
              type: 'object',
              required: ['code', 'message', 'field', 'fix', 'requestId'],
              properties: { code: text, message: text, field: textOrNull, fix: textOrNull, requestId: text },
            },
          },
        },
      },
    },
  },
};
/** The generator says that a value may be null, and leaves null out of the values it lists. */
function withNullInEnums(_key: string, value: unknown): unknown {
  const { type, enum: values } = (value ?? {}) as { type?: unknown; enum?: unknown[] };
  if (!Array.isArray(type) || !type.includes('null') || !values || values.includes(null)) return value;
  return { ...(value as object), enum: [...values, null] };
}
process.stdout.write(`${JSON.stringify(document, withNullInEnums, 1)}\n`);
