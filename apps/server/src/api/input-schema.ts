import type { AnyRouter } from '@trpc/server';
import { z } from 'zod';

/** JSON Schema, as far as we read it. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  description?: string;
  [keyword: string]: unknown;
}

export interface ProcedureFacts {
  type: 'query' | 'mutation' | 'subscription';
  /** What it takes; undefined when it takes nothing. */
  input: JsonSchema | undefined;
}

/** The procedures of a router by path, with the JSON Schema of what each takes. */
export function proceduresOf(router: AnyRouter): Map<string, ProcedureFacts> {
  const procedures = router._def.procedures as unknown as Record<
    string,
    { _def: { type: ProcedureFacts['type']; inputs: z.ZodType[] } }
  >;
  return new Map(
    Object.entries(procedures).map(
      ([
        path,
        {
          _def: { type, inputs },
        },
      ]) => [
        path,
        {
          type,
          input:
            inputs[0] &&
            (z.toJSONSchema(inputs[0], { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' }) as JsonSchema),
        },
      ],
    ),
  );
}
