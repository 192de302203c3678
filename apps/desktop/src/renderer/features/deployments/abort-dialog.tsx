import { useMutation, useQuery } from '@tanstack/react-query';
import { CircleSlash } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { plural, shortBuild } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { totalsOf } from '../../lib/rollout.ts';

export function AbortDialog({
  deploymentId,
  project,
  onClose,
}: {
  deploymentId: number;
  project: string;
  onClose: () => void;
}) {
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const { data: deployment } = useQuery(api.deployments.get.queryOptions({ id: deploymentId }));
  const unconfirmed = useTypedConfirmation(project, typed);
  const ended =
    deployment && deployment.status !== 'RUNNING' && deployment.status !== 'WAITING'
      ? `It has ended already: ${deployment.status.toLowerCase()}.`
      : null;
  const blocked = readOnly ?? ended ?? unconfirmed;
  const abort = useMutation(api.deployments.abort.mutationOptions({ onSuccess: onClose }));
  const totals = deployment && totalsOf(deployment.regions);
  return (
    <FormModal
      title={`Abort deployment ${deploymentId}`}
      description={
        deployment &&
        (deployment.status === 'WAITING'
          ? 'It never begins; no machine is touched.'
          : deployment.previousBuildId
            ? `Every machine goes back to ${shortBuild(deployment.previousBuildId)}, those that are done too.`
            : 'Machines that have not begun keep what they have; there is no earlier version to go back to.')
      }
      onClose={onClose}
      initialFocus={first}
      blocked={blocked}
      busy={abort.isPending}
      deed="Abort the deployment"
      icon={<CircleSlash aria-hidden className="size-3.5" />}
      look="danger"
      wayOut={deployment?.status === 'WAITING' ? 'Let it wait' : 'Let it run'}
      onSubmit={() => abort.mutate({ id: deploymentId, reason })}
    >
      {totals && deployment?.status === 'RUNNING' && (
        <p className="rounded-lg border border-line bg-sunken/50 px-3.5 py-2.5 text-ink-2">
          {totals.done} of {plural(totals.machines, 'machine')} of {project} run the new version, {totals.inProgress}{' '}
          are on their way, {totals.failed} failed.
        </p>
      )}
      <Field label="Why (shown to everyone)">
        {(wiring) => (
          <TextInput
            {...wiring}
            ref={first}
            value={reason}
            maxLength={1_000}
            onChange={(event) => setReason(event.target.value)}
          />
        )}
      </Field>
      <ConfirmByName project={project} typed={typed} onType={setTyped} />
      {abort.error && <ErrorPanel error={abort.error} title="The deployment was not aborted" />}
      <CliLine command={cli.abort(deploymentId, reason)} />
    </FormModal>
  );
}
