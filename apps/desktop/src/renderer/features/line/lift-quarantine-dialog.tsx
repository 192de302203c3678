import { useMutation } from '@tanstack/react-query';
import { ShieldCheck } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { shortBuild } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

/** Lets a build be deployed again that a rollback went away from. */
export function LiftQuarantineDialog({ buildId, onClose }: { buildId: string; onClose: () => void }) {
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [reason, setReason] = useState('');
  const lift = useMutation(
    api.quarantines.lift.mutationOptions({
      onSuccess: () => {
        void queryClient.invalidateQueries({ queryKey: api.quarantines.pathKey() });
        void queryClient.invalidateQueries({ queryKey: api.builds.pathKey() });
        onClose();
      },
    }),
  );
  return (
    <FormModal
      title={`Lift the quarantine of ${shortBuild(buildId)}`}
      description="It may be deployed again, and rolled back to. Nothing is deployed by this."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? (reason.trim() === '' ? 'Say why it may run again.' : null)}
      busy={lift.isPending}
      deed="Lift the quarantine"
      icon={<ShieldCheck aria-hidden className="size-3.5" />}
      onSubmit={() => lift.mutate({ id: buildId, reason })}
    >
      <Field label="Why it may run again (shown to everyone)">
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
      {lift.error && <ErrorPanel error={lift.error} title="The quarantine was not lifted" />}
      <CliLine command={cli.liftQuarantine(buildId, reason)} />
    </FormModal>
  );
}
