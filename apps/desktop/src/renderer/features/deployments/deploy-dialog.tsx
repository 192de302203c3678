import { allows } from '@starling/shared/permissions.ts';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Rocket } from 'lucide-react';
import { useRef, useState } from 'react';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { useWhyNotDeployable } from '../../components/deploy-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Checkbox, Field, SelectInput, TextArea } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { Loading } from '../../components/page.tsx';
import { GateStatusBadge, gateWord } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { WhatChangesFold } from '../../components/what-changes.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { authorName, shortBuild } from '../../lib/format.ts';
import { useCaller } from '../../lib/hooks.ts';
import { runningNow } from '../../lib/matrix.ts';
import { type WaveChoice, waveChoices } from './deploy-choices.ts';
import { ForecastPreview } from './forecast.tsx';
import { Impact } from './impact.tsx';
import { WavePreview } from './wave-preview.tsx';

type WhenBusy = 'REPLACE' | 'QUEUE';

/** What a deployment would do, in which waves, what it would wait for; why it is done; and then it is asked for. */
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
  const { data: caller } = useCaller();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const [waves, setWaves] = useState<WaveChoice>('as-set');
  const [whenBusyChosen, setWhenBusy] = useState<WhenBusy>('REPLACE');
  const [hotfix, setHotfix] = useState(false);
  const overview = useQuery(api.overview.get.queryOptions());
  const { data: build, error, refetch } = useQuery(api.builds.get.queryOptions({ id: buildId }));
  const project = overview.data?.projects.find((candidate) => candidate.name === name);
  const runsNow = project && runningNow(project).find(([build]) => build)?.[0];
  const isBusy = project?.lastDeployment?.status === 'RUNNING';
  const whenBusy = isBusy ? whenBusyChosen : 'REFUSE';
  const choice = waveChoices.find(({ value }) => value === waves)!;
  const { rollout } = choice;
  const preview = useQuery(api.deployments.preview.queryOptions({ project: name, build: buildId, rollout }));
  const gates = useQuery(api.deployments.gates.queryOptions({ project: name, build: buildId, whenBusy, hotfix }));
  const because = useWhyNotDeployable(build);
  const unconfirmed = useTypedConfirmation(name, typed);
  const quarantined = preview.data?.quarantined;
  const mayPass = caller !== undefined && allows(caller.grants, 'approve', name);
  const isFrozen = gates.data?.some(
    ({ gate, status }) => (gate === 'freeze' || gate === 'line') && status !== 'PASSED',
  );
  const waits = gates.data?.some(({ status }) => status === 'WAITING');
  const deploy = useMutation(
    api.deployments.deploy.mutationOptions({
      onSuccess: (deployment) => {
        onClose();
        void navigate({ to: '/deployments/$id', params: { id: String(deployment.id) } });
      },
    }),
  );
  // Asked for, so that two slips of the finger do not deploy, and everyone knows why.
  const blocked =
    because ??
    (quarantined ? `It is in quarantine: ${quarantined.reason}` : null) ??
    (reason.trim() === '' ? 'Say why.' : null) ??
    unconfirmed;
  const inWaves = (preview.data?.waves.length ?? 1) > 1;
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
      deed={
        waits
          ? 'Deploy once it may begin'
          : isBusy && whenBusy === 'REPLACE'
            ? 'Deploy in its place'
            : inWaves
              ? 'Deploy in waves'
              : 'Deploy to all machines'
      }
      icon={<Rocket aria-hidden className="size-3.5" />}
      onSubmit={() => deploy.mutate({ project: name, build: buildId, reason, whenBusy, hotfix, rollout })}
    >
      {error && <ErrorPanel error={error} title="The build could not be read" onRetry={() => void refetch()} />}
      {!project && !error && <Loading rows={3} label="Loading what it touches" />}
      {project && (
        <>
          <Impact project={project} buildId={buildId} />
          <ForecastPreview project={name} build={buildId} rollout={rollout} />
          {runsNow && runsNow !== buildId && <WhatChangesFold project={name} from={runsNow} to={buildId} />}
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
          <Field label="How it reaches the machines">
            {(wiring) => (
              <SelectInput
                {...wiring}
                value={waves}
                onChange={(event) => setWaves(waveChoices.find(({ value }) => value === event.target.value)!.value)}
                options={waveChoices}
              />
            )}
          </Field>
          {preview.error && <ErrorPanel error={preview.error} title="The waves could not be worked out" />}
          {preview.data && (inWaves || preview.data.nobodyIn.length > 0) && <WavePreview preview={preview.data} />}
          {isBusy && (
            <Field label={`Deployment ${project.lastDeployment!.id} is still running`}>
              {(wiring) => (
                <SelectInput
                  {...wiring}
                  value={whenBusyChosen}
                  onChange={(event) => setWhenBusy(event.target.value === 'QUEUE' ? 'QUEUE' : 'REPLACE')}
                  options={[
                    { value: 'REPLACE', text: 'Take its place' },
                    { value: 'QUEUE', text: 'Wait until it has ended' },
                  ]}
                />
              )}
            </Field>
          )}
          {gates.data && gates.data.length > 0 && (
            <ul className="flex flex-col gap-1" aria-label="What it has to pass">
              {gates.data.map(({ gate, status, detail }) => (
                <li key={gate} className="flex flex-wrap items-baseline gap-x-3 text-xs">
                  <span className="w-24 font-medium text-ink">{gateWord(gate)}</span>
                  <span className="w-24">
                    <GateStatusBadge status={status} />
                  </span>
                  <span className="min-w-0 flex-1 text-ink-2">{detail}</span>
                </li>
              ))}
            </ul>
          )}
          {(isFrozen || hotfix) && mayPass && (
            <Checkbox
              label="It is a hotfix"
              hint="It passes freezes and stopped lines, and the audit log says that you let it."
              checked={hotfix}
              onChange={setHotfix}
            />
          )}
          <ConfirmByName project={name} typed={typed} onType={setTyped} />
          {deploy.error && <ErrorPanel error={deploy.error} title="Nothing was deployed" />}
          <CliLine
            command={cli.deploy(name, buildId, reason, whenBusy === 'REPLACE', {
              queue: whenBusy === 'QUEUE',
              hotfix,
              waves: choice.waves,
              ...(choice.waves.length === 0 && waves !== 'as-set' && { rollout: JSON.stringify(rollout) }),
            })}
          />
        </>
      )}
    </FormModal>
  );
}
