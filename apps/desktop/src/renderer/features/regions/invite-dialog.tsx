import { mostUses } from '@starling/shared/enrolment.ts';
import { type IdentityKind, identityKinds } from '@starling/shared/permissions.ts';
import { useMutation } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { Choices } from '../../components/choices.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, NumberInput, SelectInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { Modal } from '../../components/modal.tsx';
import { ShownOnce } from '../../components/shown-once.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

const what: Record<IdentityKind, string> = {
  agent: 'A machine of the fleet',
  hub: 'The server of a region',
  worker: 'Builds commits',
};
const lifetimes = [
  { value: '1', text: 'One hour' },
  { value: '6', text: 'Six hours' },
  { value: '24', text: 'One day' },
  { value: '168', text: 'One week' },
  { value: '720', text: '30 days' },
];

/** Makes an enrolment token; its text is shown once, then it is gone from the page too. */
export function InviteDialog({ regions, onClose }: { regions: readonly string[]; onClose: () => void }) {
  const readOnly = useWhyReadOnly();
  const [kind, setKind] = useState<IdentityKind>('agent');
  const [region, setRegion] = useState(regions[0] ?? '');
  const [uses, setUses] = useState('1');
  const [hours, setHours] = useState('24');
  const invite = useMutation(
    api.identities.invite.mutationOptions({
      gcTime: 0,
      onSuccess: () => queryClient.invalidateQueries({ queryKey: api.identities.invitations.pathKey() }),
    }),
  );
  const count = Number(uses);
  const badUses =
    Number.isSafeInteger(count) && count >= 1 && count <= mostUses
      ? null
      : `A whole number from 1 to ${mostUses.toLocaleString('en')}.`;
  const ofRegion = kind === 'worker' ? {} : { region };
  const line = cli.enrol(kind, ofRegion.region, count || 1, Number(hours));
  if (invite.data) {
    const made = invite.data;
    return (
      <Modal
        title="The token is made"
        description={`It lets ${plural(made.usesLeft, made.kind)} in${made.region ? `, in ${made.region} only` : ''}.`}
        onClose={onClose}
        footer={
          <Button look="primary" onClick={onClose}>
            I have copied it
          </Button>
        }
      >
        <ShownOnce secret={made.token} what="The token" />
        <p className="text-ink-2">
          Put it into a file that only the new process can read, and name that file in{' '}
          <code className="font-mono text-xs">STARLING_ENROLMENT_TOKEN_FILE</code>. When its log says{' '}
          <code className="font-mono text-xs">enrolled</code>, the file can go.
        </p>
      </Modal>
    );
  }
  const field = invite.error ? readableError(invite.error).field : null;
  return (
    <FormModal
      title="Let one in"
      description="Makes a token that a new process shows once. It makes a key of its own then, and is known by that."
      onClose={onClose}
      blocked={readOnly ?? badUses}
      busy={invite.isPending}
      deed="Make the token"
      icon={<KeyRound aria-hidden className="size-3.5" />}
      onSubmit={() => invite.mutate({ kind, ...ofRegion, uses: count, expiresInHours: Number(hours) })}
    >
      <Choices
        label="What is let in"
        value={kind}
        onChange={setKind}
        choices={[...identityKinds].toSorted().map((value) => ({ value, text: value, hint: what[value] }))}
      />
      <div className="grid gap-3.5 sm:grid-cols-3">
        {kind !== 'worker' && (
          <Field label="Region" problem={field === 'region' ? invite.error!.message : null}>
            {(wiring) => (
              <SelectInput
                {...wiring}
                value={region}
                onChange={(event) => setRegion(event.target.value)}
                options={regions.map((value) => ({ value, text: value }))}
              />
            )}
          </Field>
        )}
        <Field label="How many it lets in" problem={badUses}>
          {(wiring) => (
            <NumberInput
              {...wiring}
              min={1}
              max={mostUses}
              value={uses}
              onChange={(event) => setUses(event.target.value)}
            />
          )}
        </Field>
        <Field label="For how long">
          {(wiring) => (
            <SelectInput
              {...wiring}
              value={hours}
              onChange={(event) => setHours(event.target.value)}
              options={lifetimes}
            />
          )}
        </Field>
      </div>
      {invite.error && <ErrorPanel error={invite.error} title="No token was made" />}
      <CliLine command={line} />
    </FormModal>
  );
}
