import type {
  DeploymentKind,
  DeploymentStatus,
  GateName,
  GateStatus,
  JobStatus,
  MachineStep,
  ReplicaStatus,
} from '@starling/shared/words.ts';
import {
  Ban,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CircleSlash,
  CircleX,
  Clock,
  CloudOff,
  Download,
  LoaderCircle,
  type LucideIcon,
  OctagonX,
  Undo2,
} from 'lucide-react';
import type { ReactNode } from 'react';

export type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'idle' | 'accent';

const inks: Record<Tone, string> = {
  ok: 'text-ok',
  busy: 'text-busy',
  warn: 'text-warn',
  bad: 'text-bad',
  idle: 'text-idle',
  accent: 'text-accent',
};
const softs: Record<Tone, string> = {
  ok: 'bg-ok-soft',
  busy: 'bg-busy-soft',
  warn: 'bg-warn-soft',
  bad: 'bg-bad-soft',
  idle: 'bg-idle-soft',
  accent: 'bg-accent-soft',
};

/** A state: always an icon and a word, never a colour alone. */
export function Status({
  tone,
  icon: Icon,
  children,
  spinning = false,
  boxed = false,
  wraps = false,
}: {
  tone: Tone;
  icon: LucideIcon;
  children: ReactNode;
  spinning?: boolean;
  boxed?: boolean;
  /** For a sentence rather than a word. */
  wraps?: boolean;
}) {
  return (
    <span
      className={`inline-flex items-center gap-1.5 align-middle ${wraps ? '' : 'whitespace-nowrap'} ${inks[tone]} ${
        boxed ? `${softs[tone]} rounded-full px-2 py-0.5 text-xs font-medium` : ''
      }`}
    >
      <Icon aria-hidden className={`size-3.5 shrink-0 ${spinning ? 'spin' : ''}`} />
      <span>{children}</span>
    </span>
  );
}

/** A word about a thing, for example `current`. */
export function Tag({ tone = 'idle', children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={`inline-flex items-center rounded px-1.5 text-2xs leading-[18px] font-semibold whitespace-nowrap ${inks[tone]} ${softs[tone]}`}
    >
      {children}
    </span>
  );
}

interface Look {
  tone: Tone;
  icon: LucideIcon;
  word: string;
  spinning?: boolean;
}

const jobLooks: Record<JobStatus, Look> = {
  QUEUED: { tone: 'idle', icon: Clock, word: 'Queued' },
  RUNNING: { tone: 'busy', icon: LoaderCircle, word: 'Building', spinning: true },
  SUCCEEDED: { tone: 'ok', icon: CircleCheck, word: 'Built' },
  FAILED: { tone: 'bad', icon: CircleX, word: 'Failed' },
  CANCELLED: { tone: 'idle', icon: Ban, word: 'Cancelled' },
};
const deploymentLooks: Record<DeploymentStatus, Look> = {
  WAITING: { tone: 'idle', icon: Clock, word: 'Waiting' },
  RUNNING: { tone: 'busy', icon: LoaderCircle, word: 'Running', spinning: true },
  SUCCEEDED: { tone: 'ok', icon: CircleCheck, word: 'Succeeded' },
  FAILED: { tone: 'bad', icon: CircleX, word: 'Failed' },
  ABORTED: { tone: 'warn', icon: CircleSlash, word: 'Aborted' },
  SUPERSEDED: { tone: 'idle', icon: CircleDashed, word: 'Superseded' },
};
const replicaLooks: Record<ReplicaStatus, Look> = {
  PENDING: { tone: 'idle', icon: Clock, word: 'Waits' },
  COPYING: { tone: 'busy', icon: Download, word: 'Copying' },
  REPLICATED: { tone: 'ok', icon: CircleCheck, word: 'Replicated' },
  FAILED: { tone: 'bad', icon: CircleX, word: 'Failed, will be tried again' },
};
const stepLooks: Record<MachineStep, Look> = {
  IDLE: { tone: 'idle', icon: CircleDashed, word: 'Idle' },
  FETCHING: { tone: 'busy', icon: Download, word: 'Fetching' },
  VERIFYING: { tone: 'busy', icon: LoaderCircle, word: 'Verifying', spinning: true },
  STAGED: { tone: 'busy', icon: LoaderCircle, word: 'Staged', spinning: true },
  STOPPING: { tone: 'busy', icon: LoaderCircle, word: 'Stopping the old version', spinning: true },
  SWAPPING: { tone: 'busy', icon: LoaderCircle, word: 'Swapping', spinning: true },
  STARTING: { tone: 'busy', icon: LoaderCircle, word: 'Starting', spinning: true },
  PROBING: { tone: 'busy', icon: LoaderCircle, word: 'Probing health', spinning: true },
  COMMITTED: { tone: 'ok', icon: CircleCheck, word: 'Done' },
  REVERTING: { tone: 'warn', icon: Undo2, word: 'Reverting' },
  FAILED: { tone: 'bad', icon: CircleX, word: 'Failed' },
};

function fromLook({ tone, icon, word, spinning = false }: Look, boxed: boolean, more?: ReactNode) {
  return (
    <Status tone={tone} icon={icon} spinning={spinning} boxed={boxed}>
      {word}
      {more}
    </Status>
  );
}

const stageWords: Record<string, string> = {
  CHECKOUT: 'checkout',
  RECIPE: 'recipe',
  PACK: 'pack',
  UPLOAD: 'upload',
};
export const stageWord = (stage: string) => stageWords[stage] ?? stage.toLowerCase();

export function JobStatusBadge({
  status,
  stage,
  boxed = false,
}: {
  status: JobStatus;
  stage?: string | null;
  boxed?: boolean;
}) {
  return fromLook(
    jobLooks[status],
    boxed,
    status === 'RUNNING' && stage
      ? `: ${stageWord(stage)}`
      : status === 'FAILED' && stage
        ? ` in ${stageWord(stage)}`
        : '',
  );
}
export function DeploymentStatusBadge({
  status,
  pausedBy = null,
  boxed = false,
}: {
  status: DeploymentStatus;
  /** Who lets a running one stand still; `starling` halted it itself. */
  pausedBy?: string | null;
  boxed?: boolean;
}) {
  if (status !== 'RUNNING' || pausedBy === null) return fromLook(deploymentLooks[status], boxed);
  const look: Look =
    pausedBy === 'starling'
      ? { tone: 'bad', icon: OctagonX, word: 'Halted' }
      : { tone: 'warn', icon: CirclePause, word: 'Paused' };
  return fromLook(look, boxed);
}
export const deploymentStatusWord = (status: DeploymentStatus): string => deploymentLooks[status].word;

const gateLooks: Record<GateStatus, Look> = {
  WAITING: { tone: 'warn', icon: Clock, word: 'Waiting' },
  PASSED: { tone: 'ok', icon: CircleCheck, word: 'Passed' },
  BYPASSED: { tone: 'warn', icon: CircleSlash, word: 'Bypassed' },
  REFUSED: { tone: 'bad', icon: CircleX, word: 'Refused' },
};
const gateWords: Record<GateName, string> = {
  review: 'Review',
  approvals: 'Approvals',
  line: 'Stopped line',
  freeze: 'Freeze',
  queue: 'Queue',
  tasks: 'Tasks before',
};
export const gateWord = (gate: GateName): string => gateWords[gate];

export const GateStatusBadge = ({ status }: { status: GateStatus }) => fromLook(gateLooks[status], false);

const decisionLooks: Record<'APPROVED' | 'REJECTED', Look> = {
  APPROVED: { tone: 'ok', icon: CircleCheck, word: 'Approved' },
  REJECTED: { tone: 'bad', icon: CircleX, word: 'Rejected' },
};
export const DecisionBadge = ({ decision }: { decision: 'APPROVED' | 'REJECTED' }) =>
  fromLook(decisionLooks[decision], false);

export const ReplicaStatusBadge = ({ status }: { status: ReplicaStatus }) => fromLook(replicaLooks[status], false);

/** Where a machine is; `step` is null while it has said nothing. An offline machine is that first of all. */
export function StepBadge({ step, online = true }: { step: MachineStep | null; online?: boolean }) {
  if (!online)
    return (
      <Status tone="warn" icon={CloudOff}>
        Offline{step && step !== 'COMMITTED' && step !== 'IDLE' ? `, last ${stepLooks[step].word.toLowerCase()}` : ''}
      </Status>
    );
  if (step === null)
    return (
      <Status tone="idle" icon={Clock}>
        Waits to begin
      </Status>
    );
  return fromLook(stepLooks[step], false);
}

export function OnlineBadge({ online }: { online: boolean }) {
  return online ? (
    <Status tone="ok" icon={CircleCheck}>
      Online
    </Status>
  ) : (
    <Status tone="warn" icon={CloudOff}>
      Offline
    </Status>
  );
}

export function KindTag({ kind }: { kind: DeploymentKind }) {
  if (kind === 'DEPLOY') return <Tag>deploy</Tag>;
  return <Tag tone="accent">{kind === 'ROLLBACK' ? 'rollback' : 'roll-forward'}</Tag>;
}
