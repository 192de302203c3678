import { useMutation } from '@tanstack/react-query';
import { CirclePlay, OctagonX } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

/** Stops the line of a project, or of all, and starts it again. Stopping is never made hard: it harms nobody. */
export function LineDialog({
  project,
  verb,
  onClose,
}: {
  project: string | null;
  verb: 'stop' | 'start';
  onClose: () => void;
}) {
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [reason, setReason] = useState('');
  const done = () => {
    void queryClient.invalidateQueries({ queryKey: api.line.pathKey() });
    onClose();
  };
  const stop = useMutation(api.line.stop.mutationOptions({ onSuccess: done }));
  const start = useMutation(api.line.start.mutationOptions({ onSuccess: done }));
  const of = project === null ? 'all projects' : project;
  const stops = verb === 'stop';
  const error = stops ? stop.error : start.error;
  const scope = project === null ? {} : { project };
  return (
    <FormModal
      title={stops ? `Stop the line of ${of}` : `Start the line of ${of}`}
      description={
        stops
          ? 'No deployment begins or goes on, but rollbacks and hotfixes. What machines were told before they finish.'
          : 'What waited or stood still goes on from where it was.'
      }
      onClose={onClose}
      {...(stops && { initialFocus: first })}
      blocked={readOnly ?? (stops && reason.trim() === '' ? 'Say why.' : null)}
      busy={stops ? stop.isPending : start.isPending}
      deed={stops ? 'Stop the line' : 'Start the line'}
      icon={stops ? <OctagonX aria-hidden className="size-3.5" /> : <CirclePlay aria-hidden className="size-3.5" />}
      look={stops ? 'danger' : 'primary'}
      onSubmit={() => (stops ? stop.mutate({ ...scope, reason }) : start.mutate(scope))}
    >
      {stops && (
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
      )}
      {error && <ErrorPanel error={error} title="The line is as it was" />}
      <CliLine command={cli.line(verb, project, reason)} />
    </FormModal>
  );
}
