import type { ProjectSettings } from '@starling/shared/project-settings.ts';
import type { DeploymentKind, GateName, GateStatus, WhenBusy } from '@starling/shared/words.ts';
import { type Freeze, freezes, thawsAt } from './freeze.ts';

// Whether a deployment may begin: a pure function of what is known and of time.

export interface Voice {
  approver: string;
  decision: 'APPROVED' | 'REJECTED';
  comment: string;
  /** They may approve in this project now: roles that were taken away do not count. */
  mayApprove: boolean;
  /** They wrote the commit. */
  isAuthor: boolean;
}

export interface ReviewVerdict {
  state: 'passed' | 'waiting' | 'refused';
  detail: string;
}

export interface GateFacts {
  kind: DeploymentKind;
  requestedBy: string;
  hotfix: boolean;
  whenBusy: WhenBusy;
  settings: Pick<ProjectSettings, 'approvals' | 'review' | 'tasks'>;
  voices: readonly Voice[];
  /** Those that concern the project, or all projects, and were not lifted. */
  freezes: readonly Freeze[];
  /** What stopped the line of the project, or of all; undefined while it runs. */
  stopped: { reason: string; stoppedBy: string } | undefined;
  /** The running deployment of the project, and those that waited for it before this one. */
  ahead: readonly { id: number; status: 'RUNNING' | 'WAITING' }[];
  /** Undefined until the commit was looked at. */
  review: ReviewVerdict | undefined;
  tasks: { state: 'none' | 'waiting' | 'running' | 'succeeded' | 'failed'; detail: string };
}

export interface GateResult {
  gate: GateName;
  status: GateStatus;
  /** In a sentence without a full stop. */
  detail: string;
}

/** The gates that apply to a deployment, in order, and how each stands at `nowMs`. */
export function judge(facts: GateFacts, nowMs: number): GateResult[] {
  // A rollback goes to a build that has passed all of this before, and must not wait while machines are broken; only
  // approvals can be asked for, where a company insists.
  const isForward = facts.kind === 'DEPLOY';
  const { approvals, review, tasks } = facts.settings;
  const gates: GateResult[] = [];
  if (isForward && review.require !== 'none') gates.push(judgeReview(facts));
  if (approvals.needed > 0 && (isForward || approvals.rollbacks)) gates.push(judgeApprovals(facts));
  // Whatever moves machines on waits for a stopped line; only back it always goes.
  if (facts.kind !== 'ROLLBACK' && facts.stopped) gates.push(judgeLine(facts.stopped, facts.hotfix));
  const frozen = facts.freezes.find((freeze) => freezes(freeze, nowMs));
  if (isForward && frozen) gates.push(judgeFreeze(frozen, facts.hotfix, nowMs));
  if (facts.ahead.length > 0 && facts.whenBusy !== 'REPLACE') gates.push(judgeQueue(facts.ahead));
  if (isForward && tasks.before.length > 0) gates.push(judgeTasks(facts.tasks));
  return gates;
}

const isOpen = ({ status }: GateResult) => status === 'PASSED' || status === 'BYPASSED';

/** Whether all have been passed. */
export const mayBegin = (gates: readonly GateResult[]): boolean => gates.every(isOpen);
/** Whether only the tasks are still to be done: then they may run. */
export const mayRunTasks = (gates: readonly GateResult[]): boolean =>
  gates.filter(({ gate }) => gate !== 'tasks').every(isOpen);
export const refusalIn = (gates: readonly GateResult[]): GateResult | undefined =>
  gates.find(({ status }) => status === 'REFUSED');

function judgeReview({ review }: GateFacts): GateResult {
  if (!review) return { gate: 'review', status: 'WAITING', detail: 'its commit is being looked at' };
  const status = { passed: 'PASSED', waiting: 'WAITING', refused: 'REFUSED' } as const;
  return { gate: 'review', status: status[review.state], detail: review.detail };
}

function judgeApprovals({ settings, voices, requestedBy }: GateFacts): GateResult {
  const { needed, from } = settings.approvals;
  const notes: string[] = [];
  const counted = voices.filter(({ approver, mayApprove, isAuthor, decision }) => {
    if (!mayApprove || (from.length > 0 && !from.includes(approver))) {
      notes.push(`${approver} may not approve here`);
      return false;
    }
    // Whoever is against it counts, also against their own.
    if (decision === 'REJECTED') return true;
    if (approver === requestedBy) notes.push(`${approver} asked for it, so their own approval does not count`);
    else if (isAuthor) notes.push(`${approver} wrote the commit, so their approval does not count`);
    return approver !== requestedBy && !isAuthor;
  });
  const against = counted.find(({ decision }) => decision === 'REJECTED');
  if (against) {
    const why = against.comment ? `: ${against.comment}` : '';
    return { gate: 'approvals', status: 'REFUSED', detail: `rejected by ${against.approver}${why}` };
  }
  const names = counted.map(({ approver }) => approver);
  const status = names.length >= needed ? 'PASSED' : 'WAITING';
  const by = names.length > 0 ? ` by ${names.join(', ')}` : '';
  const detail = [`${names.length} of ${needed} approvals${by}`, ...notes].join('; ');
  return { gate: 'approvals', status, detail };
}

function judgeLine({ reason, stoppedBy }: NonNullable<GateFacts['stopped']>, hotfix: boolean): GateResult {
  const what = `the line, which ${stoppedBy} stopped (${reason})`;
  if (hotfix) return { gate: 'line', status: 'BYPASSED', detail: `a hotfix passes ${what}` };
  return { gate: 'line', status: 'WAITING', detail: `waits for ${what}` };
}

function judgeFreeze(freeze: Freeze, hotfix: boolean, nowMs: number): GateResult {
  const until = thawsAt(freeze, nowMs);
  const what = `freeze ${freeze.id} (${freeze.reason})`;
  if (hotfix) return { gate: 'freeze', status: 'BYPASSED', detail: `a hotfix passes ${what}` };
  const end = until ? `until ${until.toISOString().slice(0, 16).replace('T', ' ')} UTC` : 'until it is lifted';
  return { gate: 'freeze', status: 'WAITING', detail: `${what} holds ${end}` };
}

function judgeQueue(ahead: GateFacts['ahead']): GateResult {
  const running = ahead.find(({ status }) => status === 'RUNNING');
  const waiting = ahead.filter(({ status }) => status === 'WAITING').map(({ id }) => id);
  const parts = [
    ...(running ? [`deployment ${running.id} is running`] : []),
    ...(waiting.length > 0 ? [`${waiting.length} wait before it (${waiting.join(', ')})`] : []),
  ];
  return { gate: 'queue', status: 'WAITING', detail: parts.join(', and ') };
}

function judgeTasks({ state, detail }: GateFacts['tasks']): GateResult {
  const status = state === 'succeeded' || state === 'none' ? 'PASSED' : state === 'failed' ? 'REFUSED' : 'WAITING';
  return { gate: 'tasks', status, detail: detail || 'they run once all else is passed' };
}
