import { useMutation, useQuery } from '@tanstack/react-query';
import { ThumbsDown, ThumbsUp } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { shortBuild } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

/** Says yes or no to a deployment that waits for approval. */
export function DecideDialog({
  deploymentId,
  project,
  decision,
  onClose,
}: {
  deploymentId: number;
  project: string;
  decision: 'approve' | 'reject';
  onClose: () => void;
}) {
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [comment, setComment] = useState('');
  const [typed, setTyped] = useState('');
  const { data: deployment } = useQuery(api.deployments.get.queryOptions({ id: deploymentId }));
  const unconfirmed = useTypedConfirmation(project, typed);
  const over =
    deployment && deployment.status !== 'WAITING' ? `It waits no more: ${deployment.status.toLowerCase()}.` : null;
  const approve = useMutation(api.approvals.approve.mutationOptions({ onSuccess: onClose }));
  const reject = useMutation(api.approvals.reject.mutationOptions({ onSuccess: onClose }));
  const speak = decision === 'approve' ? approve : reject;
  const approves = decision === 'approve';
  const Icon = approves ? ThumbsUp : ThumbsDown;
  return (
    <FormModal
      title={`${approves ? 'Approve' : 'Reject'} deployment ${deploymentId}`}
      description={
        deployment &&
        (approves
          ? `${shortBuild(deployment.buildId)} may go to the machines of ${project}, as far as you are concerned.`
          : `${shortBuild(deployment.buildId)} does not go to the machines of ${project}: one no ends the deployment.`)
      }
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? over ?? unconfirmed}
      busy={speak.isPending}
      deed={approves ? 'Approve' : 'Reject the deployment'}
      icon={<Icon aria-hidden className="size-3.5" />}
      look={approves ? 'primary' : 'danger'}
      wayOut="Not now"
      onSubmit={() => speak.mutate({ id: deploymentId, comment })}
    >
      {deployment && (
        <p className="rounded-lg border border-line bg-sunken/50 px-3.5 py-2.5 text-ink-2">
          “{deployment.build.commitSubject}” by {deployment.build.commitAuthor}, asked for by {deployment.requestedBy}
          {deployment.reason && <> – “{deployment.reason}”</>}
        </p>
      )}
      <Field label="Comment (shown to everyone)">
        {(wiring) => (
          <TextInput
            {...wiring}
            ref={first}
            value={comment}
            maxLength={1_000}
            onChange={(event) => setComment(event.target.value)}
          />
        )}
      </Field>
      <ConfirmByName project={project} typed={typed} onType={setTyped} />
      {speak.error && <ErrorPanel error={speak.error} title="Your voice was not counted" />}
      <CliLine command={cli.decide(decision, deploymentId, comment)} />
    </FormModal>
  );
}
