import type { ProjectSettings } from '@starling/shared/project-settings.ts';
import { rolloutCheck } from '@starling/shared/rollout-checks.ts';
import { durationText, labelsOf, labelText, listOf, nextRow, numberOf } from './draft-texts.ts';

// The checks of a rollout as they are typed: what is measured before a wave begins and while it bakes.

export const checkKinds = ['prometheus', 'http', 'command'] as const;

export interface CheckDraft {
  row: number;
  kind: (typeof checkKinds)[number];
  name: string;
  /** The query, the address or the command. */
  asks: string;
  condition: string;
  failCondition: string;
  before: boolean;
  bake: boolean;
  interval: string;
  count: string;
  timeout: string;
  failureLimit: string;
  inconclusiveLimit: string;
  errorLimit: string;
}

export interface ChecksDraft {
  /** `repository`: those of its `starling.yml`. */
  from: 'repository' | 'here';
  list: CheckDraft[];
  /** Who may be asked. */
  prometheus: string;
  http: string;
  workerLabels: string;
}

type Check = NonNullable<ProjectSettings['rollout']['analysis']>[number];
type Section = Record<string, unknown>;

const usual = rolloutCheck.parse({ name: 'x', command: 'x' });

export const emptyCheck = (kind: CheckDraft['kind']): CheckDraft =>
  draftOfCheck({ ...usual, name: '', command: undefined, ...(kind === 'prometheus' && { condition: '< 0.01' }) }, kind);

function draftOfCheck(check: Check, kind: CheckDraft['kind']): CheckDraft {
  return {
    row: nextRow(),
    kind,
    name: check.name,
    asks: check[kind] ?? '',
    condition: check.condition ?? '',
    failCondition: check.failCondition ?? '',
    before: check.when.includes('before'),
    bake: check.when.includes('bake'),
    interval: durationText(check.interval),
    count: String(check.count),
    timeout: durationText(check.timeout),
    failureLimit: String(check.failureLimit),
    inconclusiveLimit: String(check.inconclusiveLimit),
    errorLimit: String(check.errorLimit),
  };
}

export function checksDraft({ rollout, analysis }: Pick<ProjectSettings, 'rollout' | 'analysis'>): ChecksDraft {
  const kindOf = (check: Check) => checkKinds.find((kind) => check[kind] !== undefined) ?? 'command';
  return {
    from: rollout.analysis ? 'here' : 'repository',
    list: (rollout.analysis ?? []).map((check) => draftOfCheck(check, kindOf(check))),
    prometheus: analysis.prometheus ?? '',
    http: analysis.http.join(', '),
    workerLabels: labelText(analysis.workerLabels),
  };
}

/** `rollout.analysis` as it is written, without what says no more than the default; nothing where the repository says it. */
export const writtenChecks = ({ from, list }: ChecksDraft): Section =>
  from === 'here' ? { analysis: list.map(writtenCheck) } : {};

export const writtenAnalysis = ({ prometheus, http, workerLabels }: ChecksDraft): Section => ({
  prometheus: prometheus.trim() === '' ? null : prometheus.trim(),
  http: listOf(http),
  workerLabels: labelsOf(workerLabels),
});

function writtenCheck(check: CheckDraft): Section {
  const when = (['before', 'bake'] as const).filter((stage) => check[stage]);
  const durations = (['interval', 'timeout'] as const).filter(
    (field) => check[field].trim() !== durationText(usual[field]),
  );
  const numbers = (['count', 'failureLimit', 'inconclusiveLimit', 'errorLimit'] as const).filter(
    (field) => check[field].trim() !== String(usual[field]),
  );
  const isQuery = check.kind === 'prometheus';
  const said = (text: string) => text.trim() !== '';
  return {
    name: check.name,
    [check.kind]: check.asks.trim(),
    ...(isQuery && said(check.condition) && { condition: check.condition.trim() }),
    ...(isQuery && said(check.failCondition) && { failCondition: check.failCondition.trim() }),
    ...(when.join() !== usual.when.join() && { when }),
    ...Object.fromEntries(durations.map((field) => [field, check[field].trim()])),
    ...Object.fromEntries(numbers.map((field) => [field, numberOf(check[field])])),
  };
}
