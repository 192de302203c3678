import { useMutation } from '@tanstack/react-query';
import { Ban } from 'lucide-react';
import { useState } from 'react';
import { toast } from 'sonner';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api, type Identity, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { plural } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

const effects: Record<Identity['kind'], string> = {
  agent:
    'Hubs end its connection within seconds and never let its key in again. What runs on the machine goes on running.',
  hub: 'Control refuses what it reports. Its machines go on with what they have; start another hub and point them there.',
  worker:
    'It gets no job any more and finishes the one it has. It also knows the database: if its host was taken over, change that password too.',
};

/** Shuts one process out for good: its name has to be typed, as there is no way back but a new identity. */
export function RevokeDialog({ identity, onClose }: { identity: Identity; onClose: () => void }) {
  const { kind, name } = identity;
  const readOnly = useWhyReadOnly();
  const [typed, setTyped] = useState('');
  const revoke = useMutation(
    api.identities.revoke.mutationOptions({
      onSuccess: ({ openInvitation }) => {
        void queryClient.invalidateQueries({ queryKey: api.identities.pathKey() });
        if (openInvitation) {
          toast.warning(
            `Token ${openInvitation.id}, which let it in, still lets ${plural(openInvitation.usesLeft, 'other')} in.`,
          );
        }
        onClose();
      },
    }),
  );
  return (
    <FormModal
      title={`Shut out ${kind} ${name}`}
      description={effects[kind]}
      onClose={onClose}
      blocked={readOnly ?? (typed === name ? null : `Type ${name} to confirm.`)}
      busy={revoke.isPending}
      deed="Shut it out"
      icon={<Ban aria-hidden className="size-3.5" />}
      look="danger"
      onSubmit={() => revoke.mutate({ kind, name })}
    >
      <Field label={`This cannot be undone. Type “${name}” to confirm.`}>
        {(wiring) => <TextInput {...wiring} value={typed} onChange={(event) => setTyped(event.target.value)} />}
      </Field>
      {revoke.error && <ErrorPanel error={revoke.error} title="It was not shut out" />}
      <CliLine command={cli.revokeIdentity(kind, name)} />
    </FormModal>
  );
}
