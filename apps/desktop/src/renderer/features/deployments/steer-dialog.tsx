import { describeWave } from '@starling/shared/rollout-plan.ts';
import { useMutation, useQuery } from '@tanstack/react-query';
import { CirclePause, CirclePlay, FastForward } from 'lucide-react';
import { useRef, useState } from 'react';
import { toast } from 'sonner';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { api, type DeploymentWithRegions, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { whyNotSteer } from './steering.ts';

type Verb = 'pause' | 'resume' | 'promote';
const words = {
  pause: { title: 'Pause', deed: 'Pause it', icon: CirclePause },
  resume: { title: 'Resume', deed: 'Let it go on', icon: CirclePlay },
  promote: { title: 'Promote', deed: 'Begin the next wave', icon: FastForward },
} as const;

/** Tells a deployment on its way to stand still, to go on, or to begin its next wave now. */
export function SteerDialog({
  deploymentId: id,
  project,
  verb,
  onClose,
}: {
  deploymentId: number;
  project: string;
  verb: Verb;
  onClose: () => void;
}) {
  const first = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const { data: deployment } = useQuery(api.deployments.get.queryOptions({ id }));
  // The wave that the person sees: said twice, it does not begin two.
  const [seen, setSeen] = useState<number | undefined>(undefined);
  if (seen === undefined && deployment) setSeen(deployment.wave);
  const unconfirmed = useTypedConfirmation(project, typed);
  const answered = {
    onSuccess: ({ done, answer }: { done: boolean; answer: string }) => {
      void queryClient.invalidateQueries({ queryKey: api.deployments.pathKey() });
      (done ? toast.success : toast.warning)(`Deployment ${id}: ${answer}.`);
      onClose();
    },
  };
  const pause = useMutation(api.deployments.pause.mutationOptions(answered));
  const resume = useMutation(api.deployments.resume.mutationOptions(answered));
  const promote = useMutation(api.deployments.promote.mutationOptions(answered));
  const { isPending, error } = { pause, resume, promote }[verb];
  const { title, deed, icon: Icon } = words[verb];
  return (
    <FormModal
      title={`${title} deployment ${id}`}
      description={deployment && effectOf(verb, deployment)}
      onClose={onClose}
      {...(verb !== 'promote' && { initialFocus: first })}
      blocked={readOnly ?? (deployment ? whyNotSteer(verb, deployment) : 'It is being read.') ?? unconfirmed}
      busy={isPending}
      deed={deed}
      icon={<Icon aria-hidden className="size-3.5" />}
      onSubmit={() => {
        if (verb === 'pause') pause.mutate({ id, reason });
        else if (verb === 'resume') resume.mutate({ id, reason });
        else promote.mutate({ id, ...(seen !== undefined && { wave: seen }) });
      }}
    >
      {verb !== 'promote' && (
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
      <ConfirmByName project={project} typed={typed} onType={setTyped} />
      {error && <ErrorPanel error={error} title="Nothing was changed" />}
      <CliLine command={cli.steer(verb, id, reason)} />
    </FormModal>
  );
}

function effectOf(verb: Verb, { plan, wave, pausedBy, regions }: DeploymentWithRegions): string {
  if (verb === 'pause')
    return 'No further wave begins, nothing is decided, and within seconds no machine goes over to it that has not begun to.';
  if (verb === 'promote') {
    const next = plan?.waves[wave];
    return next
      ? `Wave ${wave + 1} of ${plan.waves.length} (${describeWave(next)}) begins now, without waiting for the one before it.`
      : 'There is no wave after this one.';
  }
  const failed = regions.reduce((sum, region) => sum + region.failed, 0);
  return pausedBy === 'starling' && failed > 0
    ? `It goes on from where it stands. The ${failed} machines that failed by now do not halt it again.`
    : 'It goes on from where it stands.';
}
