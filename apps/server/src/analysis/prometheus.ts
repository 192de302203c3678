import { messageOf } from '@starling/shared/errors.ts';
import { holds, parseCondition } from '@starling/shared/rollout-checks.ts';
import { z } from 'zod';
import { callHttp, type HttpAnswer } from '../lib/call-http.ts';
import type { Measurement } from './measurement.ts';

const mostAnswerBytes = 1024 * 1024;
/** What a query may give at most: more is not a number to go by, but a mistake. */
const mostValues = 1_000;

const sample = z.tuple([z.number(), z.string()]);
const answer = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('success'),
    data: z.discriminatedUnion('resultType', [
      z.object({ resultType: z.literal('vector'), result: z.array(z.object({ value: sample })).max(mostValues) }),
      z.object({ resultType: z.literal('scalar'), result: sample }),
    ]),
  }),
  z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() }),
]);

export interface PrometheusQuery {
  /** Where Prometheus answers; its API is below it. */
  base: string;
  query: string;
  condition: string;
  failCondition: string | undefined;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Makes an instant query (GET /api/v1/query of the HTTP API of Prometheus) and judges its values: SUCCESSFUL when all meet
 * the condition, FAILED when any meets the other one or, where there is none, any does not. No value and one that is no
 * number are INCONCLUSIVE. What cannot be asked or understood is an ERROR; it never throws.
 */
export async function queryPrometheus(options: PrometheusQuery): Promise<Measurement> {
  const { base, query, timeoutMs, signal } = options;
  const url = new URL(`${base.replace(/\/+$/, '')}/api/v1/query`);
  url.search = new URLSearchParams({ query, timeout: `${timeoutMs}ms` }).toString();
  let said: HttpAnswer;
  try {
    said = await callHttp({ url, method: 'GET', headers: {}, signal, timeoutMs, mostAnswerBytes });
  } catch (thrown) {
    return error(messageOf(thrown));
  }
  let parsed: ReturnType<typeof answer.safeParse>;
  try {
    parsed = answer.safeParse(JSON.parse(said.text));
  } catch {
    return error(said.isCut ? 'its answer is larger than 1 MiB' : `it answered ${said.status}, and no JSON`);
  }
  if (!parsed.success) return error(`it answered ${said.status} with something that is no vector and no scalar`);
  if (parsed.data.status === 'error') return error(`${parsed.data.errorType}: ${parsed.data.error}`);
  const { data } = parsed.data;
  const values = data.resultType === 'scalar' ? [data.result] : data.result.map(({ value }) => value);
  return judgeValues(
    values.map(([, text]) => readValue(text)),
    options,
  );
}

function judgeValues(values: readonly number[], { condition, failCondition }: PrometheusQuery): Measurement {
  if (values.length === 0) return { verdict: 'INCONCLUSIVE', detail: 'the query gave no value' };
  if (values.some(Number.isNaN)) return { verdict: 'INCONCLUSIVE', detail: 'the query gave NaN' };
  const wanted = parseCondition(condition);
  const isFailed = (value: number) =>
    failCondition === undefined ? !holds(wanted, value) : holds(parseCondition(failCondition), value);
  const bad = values.find(isFailed);
  if (bad !== undefined) {
    const which = failCondition === undefined ? `is not ${condition}` : `is ${failCondition}`;
    return { verdict: 'FAILED', detail: `${bad} ${which}` };
  }
  const open = values.find((value) => !holds(wanted, value));
  if (open !== undefined) {
    return { verdict: 'INCONCLUSIVE', detail: `${open} is neither ${condition} nor ${failCondition}` };
  }
  const shown = values.slice(0, 5).join(', ');
  return { verdict: 'SUCCESSFUL', detail: `${shown}${values.length > 5 ? ', …' : ''} ${condition}` };
}

/** As Prometheus writes numbers; what is none is NaN. */
function readValue(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return text.trim() === '' ? Number.NaN : Number(text);
}

const error = (detail: string): Measurement => ({ verdict: 'ERROR', detail: `Prometheus: ${detail}`.slice(0, 500) });
