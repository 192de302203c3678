import { z } from 'zod';
import { durationBetween } from './durations.ts';

// What is measured of a deployment besides its machines' own health: a query to Prometheus, an address that must answer, or
// a command. What is measured how often, and how much of it may go wrong, as Argo Rollouts says it for its analyses.

const second = 1_000;
const minute = 60 * second;

export const checkVerdicts = ['SUCCESSFUL', 'FAILED', 'INCONCLUSIVE', 'ERROR'] as const;
/** INCONCLUSIVE: it was measured, and says neither. ERROR: it could not be measured. */
export type CheckVerdict = (typeof checkVerdicts)[number];

/** When: before each wave begins, or after its machines confirmed it. */
export const checkStages = ['before', 'bake'] as const;
export type CheckStage = (typeof checkStages)[number];

export interface Condition {
  operator: '<' | '<=' | '>' | '>=' | '==' | '!=';
  limit: number;
}

const condition = z
  .string()
  .regex(
    /^\s*(<=|>=|==|!=|<|>)\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/,
    'expected a comparison with a number, such as "< 0.01"',
  );

/** Reads `< 0.01`; what it is given has been validated. */
export function parseCondition(text: string): Condition {
  const parts = /^\s*(<=|>=|==|!=|<|>)\s*(.+?)\s*$/.exec(text);
  if (!parts) throw new Error(`not a condition: ${text}`);
  return { operator: parts[1] as Condition['operator'], limit: Number(parts[2]) };
}

export function holds({ operator, limit }: Condition, value: number): boolean {
  switch (operator) {
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '==':
      return value === limit;
    case '!=':
      return value !== limit;
  }
}

export const rolloutCheck = z
  .strictObject({
    name: z.string().trim().min(1).max(63),
    /** An instant query; asked of the Prometheus that the project's settings name. */
    prometheus: z.string().trim().min(1).max(4_000).optional(),
    /** An address that answers 2xx; below one that the project's settings allow. */
    http: z
      .url({ protocol: /^https?$/ })
      .max(2_000)
      .optional(),
    /** Runs on a worker; exit code 0 is SUCCESSFUL, 75 INCONCLUSIVE, any other FAILED. */
    command: z.string().trim().min(1).max(8_192).optional(),
    /** For a query: SUCCESSFUL where all its values are so. */
    condition: condition.optional(),
    /** For a query: FAILED where any value is so, and INCONCLUSIVE between the two; left out, what is not SUCCESSFUL is FAILED. */
    failCondition: condition.optional(),
    when: z.array(z.enum(checkStages)).min(1).max(2).default(['bake']),
    /** Between the beginnings of two measurements. */
    interval: durationBetween(second, 24 * 60 * minute).default(minute),
    /** How many measurements decide; those that ended in ERROR are not among them. */
    count: z.number().int().min(1).max(200).default(1),
    timeout: durationBetween(second, 10 * minute).default(10 * second),
    /** How many may be FAILED; one more, and the check is. */
    failureLimit: z.number().int().min(0).max(200).default(0),
    inconclusiveLimit: z.number().int().min(0).max(200).default(0),
    /** How many may end in ERROR one after another. */
    errorLimit: z.number().int().min(0).max(200).default(4),
  })
  .refine(({ prometheus, http, command }) => [prometheus, http, command].filter(Boolean).length === 1, {
    message: 'needs exactly one of "prometheus", "http" and "command"',
  })
  .refine(({ prometheus, condition: wanted }) => (prometheus === undefined) === (wanted === undefined), {
    path: ['condition'],
    message: 'belongs to a "prometheus" query, and each query needs one',
  })
  .refine(({ condition: wanted, failCondition }) => failCondition === undefined || wanted !== undefined, {
    path: ['failCondition'],
    message: 'belongs to a "condition"',
  });
export type RolloutCheck = z.infer<typeof rolloutCheck>;

/** `error-rate (Prometheus)`. */
export const describeCheck = ({ name, prometheus, http }: RolloutCheck): string =>
  `${name} (${prometheus ? 'Prometheus' : http ? 'HTTP' : 'command'})`;
