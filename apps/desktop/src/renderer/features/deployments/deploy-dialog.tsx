import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Rocket } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { useWhyNotDeployable } from '../../components/deploy-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextArea } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { Loading } from '../../components/page.tsx';
import { Ago } from '../../components/time.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { authorName, shortBuild } from '../../lib/format.ts';
import { Impact } from './impact.tsx';

export function DeployDialog({
  project: name,
  buildId,
  onClose,
}: {
  project: string;
  buildId: string;
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const first = useRef<HTMLTextAreaElement>(null);
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const overview = useQuery(api.overview.get.queryOptions());
  const { data: build, error, refetch } = useQuery(api.builds.get.queryOptions({ id: buildId }));
  const project = overview.data?.projects.find((candidate) => candidate.name === name);
  const because = useWhyNotDeployable(build);
  const unconfirmed = useTypedConfirmation(name, typed);
  const replace = project?.lastDeployment?.status === 'RUNNING';
  const deploy = useMutation(
    api.deployments.deploy.mutationOptions({
      onSuccess: (deployment) => {
        onClose();
        void navigate({ to: '/deployments/$id', params: { id: String(deployment.id) } });
      },
    }),
  );
  // Asked for, so that two slips of the finger do not deploy, and everyone knows why.
  const blocked = because ?? (reason.trim() === '' ? 'Say why.' : null) ?? unconfirmed;
  return (
    <FormModal
      title={`Deploy ${shortBuild(buildId)} of ${name}`}
      description={
        build && (
          <>
            {build.commitSubject}
            <span className="block text-xs text-ink-3">
              {authorName(build.commitAuthor)}, built <Ago at={build.createdAt} />
            </span>
          </>
        )
      }
      onClose={onClose}
      initialFocus={first}
      blocked={blocked}
      busy={deploy.isPending}
      deed={replace ? 'Deploy in its place' : 'Deploy to all machines'}
      icon={<Rocket aria-hidden className="size-3.5" />}
      onSubmit={() =>
        deploy.mutate({ project: name, build: buildId, reason, whenBusy: replace ? 'REPLACE' : 'REFUSE' })
      }
    >
      {error && <ErrorPanel error={error} title="The build could not be read" onRetry={() => void refetch()} />}
      {!project && !error && <Loading rows={3} label="Loading what it touches" />}
      {project && (
        <>
          <Impact project={project} buildId={buildId} />
          <Field label="Why (shown to everyone)">
            {(wiring) => (
              <TextArea
                {...wiring}
                ref={first}
                value={reason}
                maxLength={1_000}
                onChange={(event) => setReason(event.target.value)}
                onKeyDown={(event) => {
                  if (event.key === 'Enter' && !event.shiftKey) {
                    event.preventDefault();
                    event.currentTarget.form?.requestSubmit();
                  }
                }}
                placeholder="What this deployment is for"
              />
            )}
          </Field>
          <ConfirmByName project={name} typed={typed} onType={setTyped} />
          {deploy.error && <ErrorPanel error={deploy.error} title="Nothing was deployed" />}
          <CliLine command={cli.deploy(name, buildId, reason, replace)} />
        </>
      )}
    </FormModal>
  );
}
