import { useQuery } from '@tanstack/react-query';
import { Rocket } from 'lucide-react';
import { useId } from 'react';
import { api, type Build } from '../lib/api.ts';
import { useNow, useWhyReadOnly } from '../lib/hooks.ts';
import { whyWaiting } from '../lib/replication.ts';
import { useUi } from '../lib/ui-state.ts';
import { Button } from './button.tsx';

type BuildFacts = Pick<Build, 'id' | 'project' | 'replicas' | 'notDeployableBecause'>;

/** Why this build cannot be deployed at this moment, in words with an ETA where there is one; null when it can. */
export function useWhyNotDeployable(build: BuildFacts | undefined, brief = false): string | null {
  const now = useNow();
  const readOnly = useWhyReadOnly();
  const { data: quarantines } = useQuery(api.quarantines.list.queryOptions());
  if (!build) return 'There is no build yet.';
  const held = quarantines?.find(({ buildId }) => buildId === build.id);
  const heldBecause = held ? (brief ? 'In quarantine' : `In quarantine: ${held.reason}`) : null;
  return whyWaiting(build.replicas, build.notDeployableBecause, now, brief) ?? heldBecause ?? readOnly;
}

/** Always there. When it cannot be pressed, the reason stands beside it. */
export function DeployButton({
  build,
  word = 'Deploy',
  size = 'normal',
  look = 'primary',
  reason = 'left',
  brief = false,
}: {
  build: BuildFacts | undefined;
  word?: string;
  size?: 'small' | 'normal';
  look?: 'primary' | 'plain';
  /** Where the reason stands. */
  reason?: 'left' | 'below';
  /** Names only the first region that is missing, for a row of a table. */
  brief?: boolean;
}) {
  const because = useWhyNotDeployable(build, brief);
  // What holds of the whole console is said once, above the page.
  const readOnly = useWhyReadOnly();
  const open = useUi((ui) => ui.open);
  const id = useId();
  return (
    <span
      className={`inline-flex min-w-0 gap-x-2.5 gap-y-1 ${reason === 'left' ? 'items-center' : 'flex-col-reverse items-end'}`}
    >
      {because && !(brief && because === readOnly) && (
        <span id={id} className={`${brief ? 'max-w-36' : 'max-w-md'} text-right text-xs leading-4 text-ink-2`}>
          {because}
        </span>
      )}
      <Button
        look={look}
        size={size}
        disabledBecause={because}
        title={because ?? undefined}
        aria-describedby={because && !(brief && because === readOnly) ? id : undefined}
        onClick={() => build && open({ kind: 'deploy', project: build.project, buildId: build.id })}
        icon={<Rocket aria-hidden className="size-3.5" />}
      >
        {word}
      </Button>
    </span>
  );
}
