import { type Role, roles } from '@starling/shared/words.ts';
import { useMutation } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { useRef, useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, SelectInput, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { Modal } from '../../components/modal.tsx';
import { ShownOnce } from '../../components/shown-once.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';

const lifetimes = [7, 30, 90, 365];

export function TokenDialog({ onClose }: { onClose: () => void }) {
  const first = useRef<HTMLInputElement>(null);
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role | ''>('');
  const [days, setDays] = useState(90);
  const create = useMutation(
    api.tokens.create.mutationOptions({
      gcTime: 0,
      onSuccess: () => queryClient.invalidateQueries({ queryKey: api.tokens.pathKey() }),
    }),
  );
  if (create.data) {
    return (
      <Modal
        title={`The token for ${create.data.name}`}
        description={`It lasts until ${new Date(create.data.expiresAt).toLocaleDateString()}.`}
        onClose={onClose}
        footer={
          <Button look="primary" onClick={onClose}>
            I have copied it
          </Button>
        }
      >
        <ShownOnce secret={create.data.token} what="The token" />
        <p className="text-ink-2">
          The CLI takes it from <code className="font-mono text-xs">STARLING_TOKEN</code>, or from a file.
        </p>
      </Modal>
    );
  }
  const field = create.error ? readableError(create.error).field : null;
  return (
    <FormModal
      title="Make a token"
      description="For a script, or a computer that is not yours alone. It is shown once."
      onClose={onClose}
      initialFocus={first}
      blocked={name.trim() === '' ? 'Say what it is for.' : null}
      busy={create.isPending}
      deed="Make the token"
      icon={<KeyRound aria-hidden className="size-3.5" />}
      onSubmit={() => create.mutate({ name: name.trim(), days, ...(role && { role }) })}
    >
      <Field label="What it is for" problem={field === 'name' ? create.error!.message : null}>
        {(wiring) => (
          <TextInput
            {...wiring}
            ref={first}
            value={name}
            maxLength={100}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <div className="grid gap-3.5 sm:grid-cols-2">
        <Field label="What it may do" problem={field === 'role' ? create.error!.message : null}>
          {(wiring) => (
            <SelectInput
              {...wiring}
              value={role}
              onChange={(event) => setRole(roles.find((known) => known === event.target.value) ?? '')}
              options={[
                { value: '', text: 'All that you may' },
                ...roles.map((value) => ({ value, text: `No more than a ${value}` })),
              ]}
            />
          )}
        </Field>
        <Field label="For how long">
          {(wiring) => (
            <SelectInput
              {...wiring}
              value={String(days)}
              onChange={(event) => setDays(Number(event.target.value))}
              options={lifetimes.map((value) => ({ value: String(value), text: `${value} days` }))}
            />
          )}
        </Field>
      </div>
      {create.error && <ErrorPanel error={create.error} title="No token was made" />}
      <CliLine command={cli.createToken(name.trim(), role || undefined, days)} />
    </FormModal>
  );
}
