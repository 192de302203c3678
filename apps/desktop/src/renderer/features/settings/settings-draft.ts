import { type ProjectSettings, projectSettings, settingsOf } from '@starling/shared/project-settings.ts';
import { type ChecksDraft, checksDraft, writtenAnalysis, writtenChecks } from './check-draft.ts';
import { decimalOf, durationText, labelsOf, labelText, listOf, listText, nextRow, numberOf } from './draft-texts.ts';
import { type MaintenanceDraft, maintenanceDraft, writtenMaintenance } from './maintenance-draft.ts';

// What is typed into the form of a project's settings, and the way there and back. Every text is as it was typed: whether
// it says something is the schema's to decide, the same one that the server asks.

export interface TaskDraft {
  /** Tells rows apart while they are moved and removed; not saved. */
  row: number;
  type: 'command' | 'webhook';
  name: string;
  command: string;
  workerLabels: string;
  url: string;
  secret: string;
  timeout: string;
  attempts: string;
}

export interface TriggerDraft {
  row: number;
  on: 'push' | 'merge';
  branches: string;
  paths: string;
}

export interface WaveDraft {
  row: number;
  /** `10%`, `group=canary` or `eu, us`: a share, labels or regions. */
  who: string;
  bakeTime: string;
}

export interface SettingsDraft {
  rollout: {
    waves: WaveDraft[];
    order: string;
    successThreshold: string;
    errorThreshold: string;
    errorCap: string;
    minimumReported: string;
    progressDeadline: string;
    bakeTime: string;
    autoRevert: string;
  };
  builds: { maxConcurrent: string; priority: string; workerLabels: string };
  retention: { keepBuilds: string; keepFor: string; keepLogsFor: string };
  approvals: { needed: string; from: string; rollbacks: boolean };
  review: { require: string; protectedBranches: string; provider: string; repository: string };
  triggers: TriggerDraft[];
  tasks: { before: TaskDraft[]; after: TaskDraft[] };
  checks: ChecksDraft;
  maintenance: MaintenanceDraft[];
}

export const emptyTask = (type: TaskDraft['type']): TaskDraft => ({
  row: nextRow(),
  type,
  name: '',
  command: '',
  workerLabels: '',
  url: '',
  secret: '',
  timeout: '5m',
  attempts: '1',
});
export const emptyWave = (): WaveDraft => ({ row: nextRow(), who: '10%', bakeTime: '10m' });
export const emptyTrigger = (): TriggerDraft => ({ row: nextRow(), on: 'push', branches: 'main', paths: '' });

function taskDraft(task: ProjectSettings['tasks']['before'][number]): TaskDraft {
  const base = {
    ...emptyTask(task.type),
    name: task.name,
    timeout: durationText(task.timeout),
    attempts: String(task.attempts),
  };
  return task.type === 'command'
    ? { ...base, command: task.command, workerLabels: labelText(task.workerLabels) }
    : { ...base, url: task.url, secret: task.secret ?? '' };
}

export function draftOf(settings: ProjectSettings): SettingsDraft {
  const { builds, retention, approvals, review, tasks, triggers, rollout } = settings;
  const said = (value: unknown) => (value === undefined ? '' : String(value));
  const saidDuration = (value: number | undefined) => (value === undefined ? '' : durationText(value));
  return {
    rollout: {
      waves: (rollout.waves ?? []).map(({ fraction, labels, regions, bakeTime }) => ({
        row: nextRow(),
        who: labels
          ? `${labelText(labels)}${regions ? ` in ${listText(regions)}` : ''}`
          : fraction !== undefined
            ? `${Number((fraction * 100).toFixed(4))}%${regions ? ` in ${listText(regions)}` : ''}`
            : listText(regions ?? []),
        bakeTime: saidDuration(bakeTime),
      })),
      order: said(rollout.order),
      successThreshold: said(rollout.successThreshold),
      errorThreshold: said(rollout.errorThreshold),
      errorCap: said(rollout.errorCap),
      minimumReported: said(rollout.minimumReported),
      progressDeadline: saidDuration(rollout.progressDeadline),
      bakeTime: saidDuration(rollout.bakeTime),
      autoRevert: said(rollout.autoRevert),
    },
    builds: {
      maxConcurrent: builds.maxConcurrent === null ? '' : String(builds.maxConcurrent),
      priority: String(builds.priority),
      workerLabels: labelText(builds.workerLabels),
    },
    retention: {
      keepBuilds: String(retention.keepBuilds),
      keepFor: durationText(retention.keepFor),
      keepLogsFor: durationText(retention.keepLogsFor),
    },
    approvals: { needed: String(approvals.needed), from: listText(approvals.from), rollbacks: approvals.rollbacks },
    review: {
      require: review.require,
      protectedBranches: listText(review.protectedBranches),
      provider: review.provider ?? '',
      repository: review.repository ?? '',
    },
    triggers: triggers.map(({ on, branches, paths }) => ({
      row: nextRow(),
      on,
      branches: listText(branches),
      paths: listText(paths),
    })),
    tasks: { before: tasks.before.map(taskDraft), after: tasks.after.map(taskDraft) },
    checks: checksDraft(settings),
    maintenance: settings.maintenance.map(maintenanceDraft),
  };
}

function writtenTask(task: TaskDraft): Record<string, unknown> {
  const base = { type: task.type, name: task.name, timeout: task.timeout, attempts: numberOf(task.attempts) };
  return task.type === 'command'
    ? { ...base, command: task.command, workerLabels: labelsOf(task.workerLabels) }
    : { ...base, url: task.url.trim(), ...(task.secret !== '' && { secret: task.secret }) };
}

/** `10%`, `10% in eu, us`, `group=canary`, `group=canary in eu`, `eu, us`. */
function writtenWave({ who, bakeTime }: WaveDraft): Section {
  const bake = bakeTime.trim() === '' ? {} : { bakeTime: bakeTime.trim() };
  const [, whom = '', where] = /^(.*?[%=].*?)(?:\s+in\s+(.+))?$/s.exec(who.trim()) ?? [];
  const only = where ? { regions: listOf(where) } : {};
  if (whom.endsWith('%')) return { fraction: whom, ...only, ...bake };
  if (whom.includes('=')) return { labels: labelsOf(whom), ...only, ...bake };
  return { ...(who.trim() && { regions: listOf(who) }), ...bake };
}

/** Only what was said: the rest is as the repository says. */
function writtenRollout({ waves, order, autoRevert, ...rest }: SettingsDraft['rollout']): Section {
  const numbers = ['successThreshold', 'errorThreshold', 'errorCap', 'minimumReported'] as const;
  const durations = ['progressDeadline', 'bakeTime'] as const;
  const said = (text: string) => text.trim() !== '';
  return {
    ...(waves.length > 0 && { waves: waves.map(writtenWave) }),
    ...(order && { order }),
    ...Object.fromEntries(numbers.filter((field) => said(rest[field])).map((field) => [field, decimalOf(rest[field])])),
    ...Object.fromEntries(durations.filter((field) => said(rest[field])).map((field) => [field, rest[field].trim()])),
    ...(autoRevert && { autoRevert: autoRevert === 'true' }),
  };
}

type Section = Record<string, unknown>;

/** The settings as they are written, with what the form does not show kept as it was `before`. */
export function writtenOf(draft: SettingsDraft, before: Section): Section {
  const { builds, retention, approvals, review, triggers, tasks, rollout, checks, maintenance } = draft;
  const written: Section = {
    ...before,
    rollout: { ...writtenRollout(rollout), ...writtenChecks(checks) },
    analysis: writtenAnalysis(checks),
    maintenance: maintenance.map(writtenMaintenance),
    builds: {
      maxConcurrent: builds.maxConcurrent.trim() === '' ? null : numberOf(builds.maxConcurrent),
      priority: numberOf(builds.priority),
      workerLabels: labelsOf(builds.workerLabels),
    },
    retention: {
      keepBuilds: numberOf(retention.keepBuilds),
      keepFor: retention.keepFor.trim(),
      keepLogsFor: retention.keepLogsFor.trim(),
    },
    approvals: { needed: numberOf(approvals.needed), from: listOf(approvals.from), rollbacks: approvals.rollbacks },
    review: {
      require: review.require,
      protectedBranches: listOf(review.protectedBranches),
      provider: review.provider === '' ? null : review.provider,
      repository: review.repository.trim() === '' ? null : review.repository.trim(),
    },
    triggers: triggers.map(({ on, branches, paths }) => ({ on, branches: listOf(branches), paths: listOf(paths) })),
    tasks: { before: tasks.before.map(writtenTask), after: tasks.after.map(writtenTask) },
  };
  return withoutDefaults(written);
}

/** Without what says no more than the default would: so that a later, better default is not held up. */
function withoutDefaults(written: Section): Section {
  const parsed = projectSettings.safeParse(written);
  if (!parsed.success) return written;
  const [now, defaults] = [parsed.data as Record<string, unknown>, settingsOf({}) as Record<string, unknown>];
  const isDefault = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const kept = Object.entries(written).flatMap(([section, said]): [string, unknown][] => {
    const [nowIs, usual] = [now[section], defaults[section]];
    if (isDefault(nowIs, usual)) return [];
    if (Array.isArray(said) || typeof said !== 'object' || said === null) return [[section, said]];
    const different = Object.entries(said).filter(
      ([field]) => !isDefault((nowIs as Section)?.[field], (usual as Section | undefined)?.[field]),
    );
    return [[section, Object.fromEntries(different)]];
  });
  return Object.fromEntries(kept);
}

/** What is wrong with it, by the path of the field: `approvals.needed`, `tasks.before.0.url`. */
export function problemsIn(written: unknown): Map<string, string> {
  const parsed = projectSettings.safeParse(written);
  const problems = new Map<string, string>();
  for (const { path, message } of parsed.error?.issues ?? []) {
    // A list that is typed as one text: its parts are at fault as a whole. The rows of triggers and tasks are fields each.
    const at = path.map(String);
    const whole =
      /^(rollout\.analysis\.\d+\.\w+|rollout\.(?:waves|analysis)\.\d+|maintenance\.\d+\.\w+|triggers\.\d+\.\w+|tasks\.\w+\.\d+\.\w+|\w+\.\w+)/.exec(
        at.join('.'),
      )?.[0] ?? at.join('.');
    if (!problems.has(whole)) problems.set(whole, message.replace(/^Invalid input: /, ''));
  }
  // Of a row that is wrong as a whole because a field of it is, the field is enough.
  for (const path of [...problems.keys()])
    if ([...problems.keys()].some((other) => other.startsWith(`${path}.`))) problems.delete(path);
  return problems;
}
