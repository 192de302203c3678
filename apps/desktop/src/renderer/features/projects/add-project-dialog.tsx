import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { nameFromRepository } from './repository-name.ts';

export function AddProjectDialog({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const readOnly = useWhyReadOnly();
  const first = useRef<HTMLInputElement>(null);
  const [repositoryUrl, setRepositoryUrl] = useState('');
  const [typedName, setTypedName] = useState<string | null>(null);
  const [defaultRef, setDefaultRef] = useState('');
  const name = typedName ?? nameFromRepository(repositoryUrl);
  const add = useMutation(
    api.projects.add.mutationOptions({
      onSuccess: (project) => {
        onClose();
        void navigate({ to: '/projects/$project', params: { project: project.name } });
      },
    }),
  );
  const field = add.error ? readableError(add.error).field : null;
  const missing = repositoryUrl.trim() === '' ? 'Give the repository.' : name === '' ? 'Give a name.' : null;
  return (
    <FormModal
      title="Add a project"
      description="An application that Starling builds and deploys. Its repository has a starling.yml that says how."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? missing}
      busy={add.isPending}
      deed={add.isPending ? 'Asking the repository …' : 'Add the project'}
      onSubmit={() =>
        add.mutate({
          name,
          repositoryUrl: repositoryUrl.trim(),
          ...(defaultRef.trim() ? { defaultRef: defaultRef.trim() } : {}),
        })
      }
    >
      <Field
        label="Repository"
        hint="Any address that git fetches from, or a path on the server."
        problem={field === 'repositoryUrl' ? add.error!.message : null}
      >
        {(wiring) => (
          <TextInput
            {...wiring}
            ref={first}
            value={repositoryUrl}
            onChange={(event) => setRepositoryUrl(event.target.value)}
            placeholder="https://git.example.org/team/service.git"
          />
        )}
      </Field>
      <div className="grid gap-3.5 sm:grid-cols-2">
        <Field
          label="Name"
          hint="Lower-case letters, digits and hyphens."
          problem={field === 'name' ? add.error!.message : null}
        >
          {(wiring) => <TextInput {...wiring} value={name} onChange={(event) => setTypedName(event.target.value)} />}
        </Field>
        <Field
          label="Branch to build by default (optional)"
          hint="The repository's own default when left empty."
          problem={field === 'ref' || field === 'defaultRef' ? add.error!.message : null}
        >
          {(wiring) => (
            <TextInput
              {...wiring}
              value={defaultRef}
              onChange={(event) => setDefaultRef(event.target.value)}
              placeholder="HEAD"
            />
          )}
        </Field>
      </div>
      {add.error && <ErrorPanel error={add.error} title="The project was not added" />}
      <CliLine command={cli.addProject(name, repositoryUrl.trim(), defaultRef)} />
    </FormModal>
  );
}
