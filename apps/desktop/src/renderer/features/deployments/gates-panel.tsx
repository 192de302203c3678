import { allows } from '@starling/shared/permissions.ts';
import { ThumbsDown, ThumbsUp } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { Panel } from '../../components/page.tsx';
import { DecisionBadge, GateStatusBadge, gateWord } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { DeploymentWithRegions } from '../../lib/api.ts';
import { useCaller, useWhyReadOnly } from '../../lib/hooks.ts';
import { useUi } from '../../lib/ui-state.ts';

/** What a deployment has to pass before it begins, in the order in which it is asked, and who said what. */
export function GatesPanel({ deployment }: { deployment: DeploymentWithRegions }) {
  const open = useUi((ui) => ui.open);
  const whyNot = useWhyNotDecide(deployment);
  const { gates, approvals, id, project } = deployment;
  const asksForApproval = gates.some(({ gate, status }) => gate === 'approvals' && status === 'WAITING');
  const decide = (decision: 'approve' | 'reject') => open({ kind: 'decide', deploymentId: id, project, decision });
  return (
    <Panel
      title={deployment.status === 'WAITING' ? 'Waits for its gates' : 'Gates'}
      beside={
        asksForApproval &&
        deployment.status === 'WAITING' && (
          <span className="flex gap-2">
            <Button
              disabledBecause={whyNot}
              onClick={() => decide('reject')}
              icon={<ThumbsDown aria-hidden className="size-3.5" />}
            >
              Reject
            </Button>
            <Button
              look="primary"
              disabledBecause={whyNot}
              onClick={() => decide('approve')}
              icon={<ThumbsUp aria-hidden className="size-3.5" />}
            >
              Approve
            </Button>
          </span>
        )
      }
    >
      <ul className="flex flex-col gap-2" aria-label="Gates">
        {gates.map(({ gate, status, detail }) => (
          <li key={gate} className="flex flex-wrap items-center gap-x-4">
            <span className="w-32 shrink-0 font-medium text-ink">{gateWord(gate)}</span>
            <span className="w-28 shrink-0">
              <GateStatusBadge status={status} />
            </span>
            <span className="min-w-0 flex-1 basis-64 break-words text-ink-2">{detail}</span>
          </li>
        ))}
      </ul>
      {approvals.length > 0 && (
        <ul className="mt-3 flex flex-col gap-1.5 border-t border-line pt-3" aria-label="Approvals">
          {approvals.map(({ approver, decision, comment, at }) => (
            <li key={approver} className="flex flex-wrap items-center gap-x-3">
              <DecisionBadge decision={decision} />
              <span className="text-ink">{approver}</span>
              <span className="text-ink-3">
                <Ago at={at} />
              </span>
              {comment && <span className="min-w-0 break-words text-ink-2">“{comment}”</span>}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function useWhyNotDecide({ project, requestedBy }: DeploymentWithRegions): string | null {
  const readOnly = useWhyReadOnly();
  const { data: caller } = useCaller();
  if (readOnly) return readOnly;
  if (!caller) return 'Who you are is being asked.';
  if (!allows(caller.grants, 'approve', project)) return `You need the role approver in ${project}.`;
  if (caller.name === requestedBy) return 'You asked for this deployment: somebody else has to decide.';
  return null;
}
