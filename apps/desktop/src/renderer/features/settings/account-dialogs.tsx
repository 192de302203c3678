import { type Role, roles } from '@starling/shared/words.ts';
import { useMutation } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { toast } from 'sonner';
import { Choices } from '../../components/choices.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Checkbox, Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { ProjectSelect } from '../../components/project-select.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

const refresh = () => queryClient.invalidateQueries({ queryKey: api.accounts.pathKey() });

export function AccountDialog({ onClose }: { onClose: () => void }) {
  const readOnly = useWhyReadOnly();
  const first = useRef<HTMLInputElement>(null);
  const [name, setName] = useState('');
  const [displayName, setDisplayName] = useState('');
  const [email, setEmail] = useState('');
  const [withPassword, setWithPassword] = useState(true);
  const [password, setPassword] = useState('');
  const add = useMutation(
    api.accounts.add.mutationOptions({
      onSuccess: () => {
        void refresh();
        onClose();
      },
    }),
  );
  const refused = add.error ? readableError(add.error) : null;
  const problem = (field: string) => (refused?.field === field ? refused.message : null);
  const missing = name.trim() === '' ? 'Give a name.' : withPassword && password === '' ? 'Give a password.' : null;
  return (
    <FormModal
      title="Add a person"
      description="They may do nothing until you give them a role."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? missing}
      busy={add.isPending}
      deed="Add the person"
      onSubmit={() =>
        add.mutate({
          name: name.trim(),
          ...(displayName.trim() && { displayName: displayName.trim() }),
          ...(email.trim() && { email: email.trim() }),
          ...(withPassword && { password }),
        })
      }
    >
      <div className="grid gap-3.5 sm:grid-cols-2">
        <Field label="Name" hint="What they type to sign in." problem={problem('name')}>
          {(wiring) => (
            <TextInput {...wiring} ref={first} value={name} onChange={(event) => setName(event.target.value)} />
          )}
        </Field>
        <Field label="Shown as (optional)" problem={problem('displayName')}>
          {(wiring) => (
            <TextInput {...wiring} value={displayName} onChange={(event) => setDisplayName(event.target.value)} />
          )}
        </Field>
      </div>
      <Field label="E-mail (optional)" hint="So that they do not approve their own commits." problem={problem('email')}>
        {(wiring) => (
          <TextInput {...wiring} type="email" value={email} onChange={(event) => setEmail(event.target.value)} />
        )}
      </Field>
      <Checkbox
        label="Signs in with a password"
        hint="Off: they can only be given tokens."
        checked={withPassword}
        onChange={setWithPassword}
      />
      {withPassword && (
        <Field label="First password" hint="They should change it." problem={problem('password')}>
          {(wiring) => (
            <TextInput
              {...wiring}
              type="password"
              autoComplete="new-password"
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
      )}
      {add.error && <ErrorPanel error={add.error} title="Nobody was added" />}
      <CliLine command={cli.addAccount(name.trim(), email.trim(), withPassword)} />
    </FormModal>
  );
}

const roleHints: Record<Role, string> = {
  viewer: 'looks',
  builder: 'looks, builds',
  deployer: 'looks, builds, deploys, rolls back',
  approver: 'looks, approves what others deploy',
  admin: 'everything, settings and people too',
};

export function GrantDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const readOnly = useWhyReadOnly();
  const [role, setRole] = useState<Role>('viewer');
  const [project, setProject] = useState('');
  const grant = useMutation(
    api.accounts.grant.mutationOptions({
      onSuccess: () => {
        void refresh();
        onClose();
      },
    }),
  );
  return (
    <FormModal
      title={`Give ${name} a role`}
      onClose={onClose}
      blocked={readOnly}
      busy={grant.isPending}
      deed="Give the role"
      onSubmit={() => grant.mutate({ name, role, ...(project && { project }) })}
    >
      <Choices
        label="Role"
        value={role}
        onChange={setRole}
        choices={roles.map((value) => ({ value, text: value, hint: roleHints[value] }))}
      />
      <div>
        <ProjectSelect value={project} onChange={setProject} all="In all projects" />
      </div>
      {grant.error && <ErrorPanel error={grant.error} title="The role was not given" />}
      <CliLine command={cli.grant('grant', name, role, project || undefined)} />
    </FormModal>
  );
}

export function PasswordDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const readOnly = useWhyReadOnly();
  const first = useRef<HTMLInputElement>(null);
  const [password, setPassword] = useState('');
  const set = useMutation(
    api.accounts.setPassword.mutationOptions({
      onSuccess: () => {
        void refresh();
        toast.success(`${name} has another password; their sessions have ended.`);
        onClose();
      },
    }),
  );
  return (
    <FormModal
      title={`Another password for ${name}`}
      description="Their sessions end, and a locked account is unlocked."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? (password === '' ? 'Type a password.' : null)}
      busy={set.isPending}
      deed="Set the password"
      onSubmit={() => set.mutate({ name, password })}
    >
      <Field
        label="New password"
        problem={set.error && readableError(set.error).field === 'password' ? set.error.message : null}
      >
        {(wiring) => (
          <TextInput
            {...wiring}
            ref={first}
            type="password"
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
      </Field>
      {set.error && <ErrorPanel error={set.error} title="The password was not set" />}
      <CliLine command={cli.account('password', name)} />
    </FormModal>
  );
}
