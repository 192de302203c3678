import { Link } from '@tanstack/react-router';
import { ThumbsDown, ThumbsUp } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { DecisionBadge, gateWord, KindTag, Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { WaitingDeployment } from '../../lib/api.ts';
import { authorName, shortBuild } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { useUi } from '../../lib/ui-state.ts';

/** One deployment that waits: what it would change, by whom, since when, what holds it, and what this person can do. */
export function WaitingRow({ deployment }: { deployment: WaitingDeployment }) {
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const { id, project, mine, whyNotMine } = deployment;
  const because = readOnly ?? whyNotMine;
  const decide = (decision: 'approve' | 'reject') => open({ kind: 'decide', deploymentId: id, project, decision });
  return (
    <li className="grid items-start gap-x-6 gap-y-2 border-b border-line px-4 py-3 last:border-b-0 lg:grid-cols-[minmax(0,5fr)_minmax(0,4fr)_15rem]">
      <div className="min-w-0">
        <p className="flex min-w-0 items-center gap-2">
          <Link to="/deployments/$id" params={{ id: String(id) }} className="link truncate font-medium text-ink">
            {deployment.commitSubject}
          </Link>
          <KindTag kind={deployment.kind} />
          {deployment.hotfix && <Tag tone="warn">hotfix</Tag>}
        </p>
        <p className="truncate text-xs text-ink-2">
          <Link to="/projects/$project" params={{ project }} className="link font-medium text-ink">
            {project}
          </Link>{' '}
          <span className="font-mono">
            {deployment.previousBuildId && `${shortBuild(deployment.previousBuildId)} → `}
            {shortBuild(deployment.buildId)}
          </span>
          , written by {authorName(deployment.commitAuthor)}
        </p>
        <p className="text-xs text-ink-3">
          <span className="text-ink-2">{deployment.requestedBy}</span> asked <Ago at={deployment.createdAt} />
          {deployment.reason && <> – “{deployment.reason}”</>}
        </p>
      </div>
      <ul className="flex min-w-0 flex-col gap-1" aria-label={`What holds deployment ${id}`}>
        {deployment.holding.map(({ gate, detail }) => (
          <li key={gate} className="flex gap-2 text-xs">
            <span className="w-20 shrink-0 font-medium text-ink">{gateWord(gate)}</span>
            <span className="min-w-0 break-words text-ink-2">{detail}</span>
          </li>
        ))}
        {deployment.voices.map(({ approver, decision, comment }) => (
          <li key={approver} className="flex flex-wrap items-center gap-x-2 text-xs">
            <DecisionBadge decision={decision} />
            <span className="text-ink">{approver}</span>
            {comment && <span className="min-w-0 truncate text-ink-3">“{comment}”</span>}
          </li>
        ))}
      </ul>
      {deployment.asksForApproval && (
        <div className="flex flex-col gap-1 lg:items-end">
          <span className="flex gap-2">
            <Button
              size="small"
              disabledBecause={because}
              onClick={() => decide('reject')}
              icon={<ThumbsDown aria-hidden className="size-3.5" />}
            >
              Reject<span className="sr-only"> deployment {id}</span>
            </Button>
            <Button
              size="small"
              look={mine === null ? 'primary' : 'plain'}
              disabledBecause={because ?? (mine === 'APPROVED' ? 'You approved it.' : null)}
              onClick={() => decide('approve')}
              icon={<ThumbsUp aria-hidden className="size-3.5" />}
            >
              Approve<span className="sr-only"> deployment {id}</span>
            </Button>
          </span>
          {(because ?? mine) && (
            <span className="text-xs text-ink-3 lg:text-right">
              {because ?? (mine === 'APPROVED' ? 'You approved it; it waits for others.' : 'You rejected it.')}
            </span>
          )}
        </div>
      )}
    </li>
  );
}
