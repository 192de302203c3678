import { useMutation, useQuery } from '@tanstack/react-query';
import { CircleSlash } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

export function CancelDialog({ jobId, onClose }: { jobId: number; onClose: () => void }) {
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [reason, setReason] = useState('');
  const { data: job } = useQuery(api.jobs.get.queryOptions({ id: jobId }));
  const ended =
    job && job.status !== 'QUEUED' && job.status !== 'RUNNING'
      ? `It has ended already: ${job.status.toLowerCase()}.`
      : null;
  const blocked = readOnly ?? ended;
  const cancel = useMutation(api.jobs.cancel.mutationOptions({ onSuccess: onClose }));
  return (
    <FormModal
      title={`Cancel job ${jobId}`}
      description="Its recipe is stopped within seconds. Nothing is on any machine yet, so nothing else changes."
      onClose={onClose}
      initialFocus={first}
      blocked={blocked}
      busy={cancel.isPending}
      deed="Cancel the build"
      icon={<CircleSlash aria-hidden className="size-3.5" />}
      look="danger"
      wayOut="Let it run"
      onSubmit={() => cancel.mutate({ id: jobId, reason })}
    >
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
      {cancel.error && <ErrorPanel error={cancel.error} title="The build was not cancelled" />}
      <CliLine command={cli.cancel(jobId, reason)} />
    </FormModal>
  );
}
