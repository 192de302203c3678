import { useMutation, useQuery } from '@tanstack/react-query';
import { ListOrdered } from 'lucide-react';
import { useRef, useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, NumberInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

const highest = 100;

/** Another place in the queue for a job that waits. */
export function PrioritiseDialog({ jobId, onClose }: { jobId: number; onClose: () => void }) {
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const { data: job } = useQuery(api.jobs.get.queryOptions({ id: jobId }));
  const { data: waiting } = useQuery(api.queue.waiting.queryOptions({ limit: 1 }));
  const [typed, setTyped] = useState<string>();
  const text = typed ?? (job ? String(job.priority) : '');
  const priority = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  const isValid = Math.abs(priority) <= highest;
  const firstInLine = waiting?.[0];
  const above = firstInLine && Math.min(highest, firstInLine.priority + (firstInLine.id === jobId ? 0 : 1));
  const prioritise = useMutation(api.jobs.prioritise.mutationOptions({ onSuccess: onClose }));
  const blocked =
    readOnly ??
    (job && job.status !== 'QUEUED' ? 'It does not wait any more.' : null) ??
    (isValid ? null : 'Type a whole number from −100 to 100.') ??
    (job && priority === job.priority ? 'It has this priority.' : null);
  return (
    <FormModal
      title={`Priority of job ${jobId}`}
      description="Higher priorities are built first; those of one priority in the order they came. What runs goes on."
      onClose={onClose}
      initialFocus={first}
      blocked={blocked}
      busy={prioritise.isPending}
      deed="Change the priority"
      icon={<ListOrdered aria-hidden className="size-3.5" />}
      onSubmit={() => prioritise.mutate({ id: jobId, priority })}
    >
      <div className="flex items-start gap-3">
        <div className="w-36">
          <Field label="Priority" hint="−100 to 100">
            {(wiring) => (
              <NumberInput
                {...wiring}
                ref={first}
                min={-highest}
                max={highest}
                value={text}
                onChange={(event) => setTyped(event.target.value)}
              />
            )}
          </Field>
        </div>
        <Button
          className="mt-[1.375rem]"
          disabledBecause={above === undefined ? 'The queue is being read.' : null}
          onClick={() => setTyped(String(above))}
        >
          Before all others
        </Button>
      </div>
      {prioritise.error && <ErrorPanel error={prioritise.error} title="The priority was not changed" />}
      <CliLine command={cli.prioritise(jobId, isValid ? priority : 0)} />
    </FormModal>
  );
}
