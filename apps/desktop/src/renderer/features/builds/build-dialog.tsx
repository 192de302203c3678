import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Checkbox, Field, Select, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

export function BuildDialog({
  project: initialProject,
  initialRef,
  initialForce,
  onClose,
}: {
  project: string;
  initialRef: string;
  initialForce: boolean;
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const readOnly = useWhyReadOnly();
  const first = useRef<HTMLInputElement>(null);
  const [project, setProject] = useState(initialProject);
  const [ref, setRef] = useState(initialRef);
  const [force, setForce] = useState(initialForce);
  const projects = useQuery(api.projects.list.queryOptions());
  const defaultRef = projects.data?.find(({ name }) => name === project)?.defaultRef ?? 'HEAD';
  const create = useMutation(
    api.jobs.create.mutationOptions({
      onSuccess: (job) => {
        onClose();
        void navigate({ to: '/jobs/$id', params: { id: String(job.id) } });
      },
    }),
  );
  const isRefAtFault = create.error && readableError(create.error).field === 'ref';
  return (
    <FormModal
      title={`Build a commit of ${project}`}
      description="What you name is settled to its commit now; a later push changes nothing."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly}
      busy={create.isPending}
      deed={create.isPending ? 'Looking the commit up …' : 'Build'}
      onSubmit={() => create.mutate({ project, force, ...(ref.trim() ? { ref: ref.trim() } : {}) })}
    >
      {projects.data && projects.data.length > 1 && (
        <div>
          <span aria-hidden className="mb-1 block text-xs font-semibold">
            Project
          </span>
          <Select
            label="Project"
            value={project}
            onChange={setProject}
            options={projects.data.map(({ name }) => ({ value: name, text: name }))}
          />
        </div>
      )}
      <Field
        label="Branch, tag or commit"
        hint={`Left empty, ${defaultRef} is built.`}
        problem={isRefAtFault ? create.error!.message : null}
      >
        {(wiring) => (
          <TextInput
            {...wiring}
            ref={first}
            value={ref}
            onChange={(event) => setRef(event.target.value)}
            placeholder={defaultRef}
            className="font-mono"
          />
        )}
      </Field>
      <Checkbox label="Build it again even if this commit is built already" checked={force} onChange={setForce} />
      {create.error && <ErrorPanel error={create.error} title="No build was started" />}
      <CliLine command={cli.build(project, ref, force)} />
    </FormModal>
  );
}
