import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { History } from 'lucide-react';
import { useEffect, useId, useRef, useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmByName, useTypedConfirmation } from '../../components/confirm.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { Kbd } from '../../components/kbd.tsx';
import { Modal } from '../../components/modal.tsx';
import { Loading } from '../../components/page.tsx';
import { WhatChangesFold } from '../../components/what-changes.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { shortBuild } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { Impact } from './impact.tsx';
import { VersionPicker } from './version-picker.tsx';
import { whyNotPickable } from './versions.ts';

/** Back to a version that is already on the machines' disks: choose it, say why, go. Ten seconds with the keyboard. */
export function RollbackDialog({
  project: name,
  initialBuild,
  onClose,
}: {
  project: string;
  initialBuild: string | undefined;
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const form = useId();
  const reasonInput = useRef<HTMLInputElement>(null);
  const readOnly = useWhyReadOnly();
  const [chosen, setChosen] = useState<string | null>(initialBuild ?? null);
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const overview = useQuery(api.overview.get.queryOptions());
  const { data: versions, error, refetch } = useQuery(api.builds.versions.queryOptions({ project: name }));
  const project = overview.data?.projects.find((candidate) => candidate.name === name);
  const unconfirmed = useTypedConfirmation(name, typed);
  const current = versions?.find((version) => version.current);
  const target = versions?.find((version) => version.id === chosen);
  const goesForward = Boolean(target && current && target.createdAt > current.createdAt);
  const rollback = useMutation(
    api.deployments.rollback.mutationOptions({
      onSuccess: (deployment) => {
        onClose();
        void navigate({ to: '/deployments/$id', params: { id: String(deployment.id) } });
      },
    }),
  );
  useEffect(() => {
    if (chosen) reasonInput.current?.focus();
  }, [chosen]);
  const blocked =
    readOnly ??
    (target ? whyNotPickable(target) : 'Choose a version.') ??
    (reason.trim() === '' ? 'Say why.' : null) ??
    unconfirmed;
  return (
    <Modal
      wide
      title={goesForward ? `Roll ${name} forward` : `Roll ${name} back`}
      description="Nothing is built and nothing is downloaded where a machine still has the version."
      onClose={onClose}
      footer={
        <>
          <span className="mr-auto flex max-w-96 items-center gap-2 text-xs text-ink-2">
            {target ? (
              blocked
            ) : (
              <>
                <Kbd keys="↑" />
                <Kbd keys="↓" /> choose, <Kbd keys="Enter" /> take it, <Kbd keys="Esc" /> leave
              </>
            )}
          </span>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            type="submit"
            form={form}
            look="primary"
            busy={rollback.isPending}
            disabledBecause={blocked}
            icon={<History aria-hidden className="size-3.5" />}
          >
            {target ? `${goesForward ? 'Roll forward' : 'Roll back'} to ${shortBuild(target.id)}` : 'Roll back'}
          </Button>
        </>
      }
    >
      {error && <ErrorPanel error={error} title="The versions could not be read" onRetry={() => void refetch()} />}
      {!versions && !error && <Loading rows={5} label="Loading versions" />}
      {versions && (
        <VersionPicker
          versions={versions}
          chosen={chosen}
          onChoose={(id) => {
            setChosen(id);
            // Choosing the same one again moves on as well.
            reasonInput.current?.focus();
          }}
        />
      )}
      {target && project && (
        <form
          id={form}
          className="flex flex-col gap-3.5"
          onSubmit={(event) => {
            event.preventDefault();
            if (!blocked && !rollback.isPending) rollback.mutate({ project: name, build: target.id, reason });
          }}
        >
          <Impact project={project} buildId={target.id} />
          {current && current.id !== target.id && <WhatChangesFold project={name} from={current.id} to={target.id} />}
          <Field label="Why (shown to everyone)">
            {(wiring) => (
              <TextInput
                {...wiring}
                ref={reasonInput}
                value={reason}
                maxLength={1_000}
                onChange={(event) => setReason(event.target.value)}
                placeholder="What is wrong with the version that runs"
              />
            )}
          </Field>
          <ConfirmByName project={name} typed={typed} onType={setTyped} />
          {rollback.error && <ErrorPanel error={rollback.error} title="Nothing was rolled back" />}
          <CliLine command={cli.rollback(name, target.id, reason)} />
        </form>
      )}
    </Modal>
  );
}
