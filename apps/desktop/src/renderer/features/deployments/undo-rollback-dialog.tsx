import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Redo2 } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

/** Forward again to what ran before the last rollback. */
export function UndoRollbackDialog({ project, onClose }: { project: string; onClose: () => void }) {
  const navigate = useNavigate();
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const unconfirmed = useTypedConfirmation(project, typed);
  const undo = useMutation(
    api.deployments.undoRollback.mutationOptions({
      onSuccess: ({ id }) => {
        onClose();
        void navigate({ to: '/deployments/$id', params: { id: String(id) } });
      },
    }),
  );
  return (
    <FormModal
      title={`Undo the rollback of ${project}`}
      description="Goes forward again to what ran before it, and lifts the quarantine of that build. What had succeeded goes to all machines at once, what had not goes in its waves."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? (reason.trim() === '' ? 'Say why it may run again.' : null) ?? unconfirmed}
      busy={undo.isPending}
      deed="Go forward again"
      icon={<Redo2 aria-hidden className="size-3.5" />}
      onSubmit={() => undo.mutate({ project, reason })}
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
      <ConfirmByName project={project} typed={typed} onType={setTyped} />
      {undo.error && <ErrorPanel error={undo.error} title="The rollback was not undone" />}
      <CliLine command={cli.undoRollback(project, reason)} />
    </FormModal>
  );
}
