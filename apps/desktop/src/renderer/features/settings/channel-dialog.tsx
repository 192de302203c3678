import { type AlertKind, type AlertTarget, alertKinds, alertTarget } from '@starling/shared/alerts.ts';
import { useMutation } from '@tanstack/react-query';
import { Bell } from 'lucide-react';
import { useRef, useState } from 'react';
import { Choices } from '../../components/choices.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { ProjectSelect } from '../../components/project-select.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';

/** Makes a channel, or replaces the one of that name: its address is never shown again, so it cannot be edited in part. */
export function ChannelDialog({ onClose }: { onClose: () => void }) {
  const readOnly = useWhyReadOnly();
  const first = useRef<HTMLInputElement>(null);
  const [name, setName] = useState('');
  const [type, setType] = useState<AlertTarget['type']>('webhook');
  const [url, setUrl] = useState('');
  const [secret, setSecret] = useState('');
  const [to, setTo] = useState('');
  const [kinds, setKinds] = useState<readonly AlertKind[]>(alertKinds);
  const [project, setProject] = useState('');
  const addresses = to.split(/[,\s]+/).filter(Boolean);
  const target =
    type === 'email'
      ? { type, to: addresses }
      : type === 'slack'
        ? { type, url: url.trim() }
        : { type, url: url.trim(), ...(secret && { secret }) };
  const checked = alertTarget.safeParse(target);
  const problem = (field: string, isEmpty: boolean) =>
    isEmpty ? null : (checked.error?.issues.find(({ path }) => path[0] === field)?.message ?? null);
  const set = useMutation(
    api.alerts.setChannel.mutationOptions({
      onSuccess: () => {
        void queryClient.invalidateQueries({ queryKey: api.alerts.pathKey() });
        onClose();
      },
    }),
  );
  const refused = set.error ? readableError(set.error) : null;
  const missing =
    name.trim() === ''
      ? 'Give it a name.'
      : !checked.success
        ? 'Say where it sends to.'
        : kinds.length === 0
          ? 'Choose what it sends.'
          : null;
  return (
    <FormModal
      title="Add a channel"
      description="Where alerts are sent. Its address and secret are not shown again."
      onClose={onClose}
      initialFocus={first}
      blocked={readOnly ?? missing}
      busy={set.isPending}
      deed="Save the channel"
      icon={<Bell aria-hidden className="size-3.5" />}
      onSubmit={() =>
        checked.success &&
        set.mutate({ name: name.trim(), target: checked.data, kinds: [...kinds], ...(project && { project }) })
      }
    >
      <Field
        label="Name"
        hint="Lower-case letters, digits and hyphens. A channel of this name is replaced."
        problem={refused?.field === 'name' ? refused.message : null}
      >
        {(wiring) => (
          <TextInput {...wiring} ref={first} value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </Field>
      <Choices
        label="How it sends"
        value={type}
        onChange={setType}
        choices={[
          { value: 'webhook', text: 'Webhook', hint: 'A POST with JSON' },
          { value: 'slack', text: 'Slack', hint: 'Or what is shaped like it' },
          { value: 'email', text: 'E-mail' },
        ]}
      />
      {type === 'email' ? (
        <Field label="To" hint="One or more addresses" problem={problem('to', to === '')}>
          {(wiring) => <TextInput {...wiring} value={to} onChange={(event) => setTo(event.target.value)} />}
        </Field>
      ) : (
        <Field label="Address" problem={problem('url', url === '')}>
          {(wiring) => (
            <TextInput
              {...wiring}
              value={url}
              onChange={(event) => setUrl(event.target.value)}
              placeholder="https://"
              className="font-mono"
            />
          )}
        </Field>
      )}
      {type === 'webhook' && (
        <Field
          label="Secret (optional)"
          hint="Signs the body; 16 characters or more."
          problem={problem('secret', secret === '')}
        >
          {(wiring) => (
            <TextInput
              {...wiring}
              type="password"
              autoComplete="new-password"
              value={secret}
              onChange={(event) => setSecret(event.target.value)}
            />
          )}
        </Field>
      )}
      <fieldset>
        <legend className="mb-1 text-xs font-semibold text-ink">What it sends</legend>
        <div className="grid grid-cols-[repeat(auto-fill,minmax(10rem,1fr))] gap-x-4">
          {alertKinds.map((kind) => (
            <label key={kind} className="inline-flex min-h-6 items-center gap-2">
              <input
                type="checkbox"
                checked={kinds.includes(kind)}
                onChange={(event) =>
                  setKinds(
                    alertKinds.filter((other) => (other === kind ? event.target.checked : kinds.includes(other))),
                  )
                }
                className="size-4 accent-[var(--accent)]"
              />
              <code className="font-mono text-xs">{kind}</code>
            </label>
          ))}
        </div>
      </fieldset>
      <div>
        <ProjectSelect value={project} onChange={setProject} all="Of all projects" />
      </div>
      {set.error && <ErrorPanel error={set.error} title="The channel was not saved" />}
      <CliLine
        command={cli.setChannel(name.trim(), type, {
          to: addresses,
          ...(kinds.length < alertKinds.length && { kinds }),
          ...(project && { project }),
        })}
      />
    </FormModal>
  );
}
