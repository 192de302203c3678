import { useMutation, useQuery } from '@tanstack/react-query';
import { Check, Plus, ShieldAlert, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { ProfileInput, ProfileState, ServerProfile } from '../../../ipc-contract.ts';
import { Button } from '../../components/button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Checkbox, Field, TextInput } from '../../components/field.tsx';
import { FormModal } from '../../components/form-modal.tsx';
import { Page, Panel } from '../../components/page.tsx';
import { Tag } from '../../components/status.tsx';
import { queryClient } from '../../lib/api.ts';
import { useTitle } from '../../lib/hooks.ts';
import { platform } from '../../lib/platform.ts';

/** The servers this window knows: each with its address and whether it is production. */
export function ServersPage() {
  useTitle('Servers');
  const servers = platform.servers!;
  const { data, error, refetch } = useQuery({ queryKey: ['servers'], queryFn: () => servers.read() });
  const [edited, setEdited] = useState<ServerProfile | 'new' | null>(null);
  const accept = (state: ProfileState) => queryClient.setQueryData(['servers'], state);
  const remove = useMutation({ mutationFn: (id: string) => servers.remove(id), onSuccess: accept });
  const select = useMutation({
    mutationFn: (id: string) => servers.select(id),
    onSuccess: (state) => {
      accept(state);
      // Another server: nothing of what is on the page is true any more.
      window.location.assign('/');
    },
  });
  return (
    <Page
      title="Servers"
      below="Each keeps its own sign-in; the token never reaches this page"
      actions={
        <Button onClick={() => setEdited('new')} icon={<Plus aria-hidden className="size-3.5" />}>
          Add a server
        </Button>
      }
    >
      {data && !data.tokens.kept && (
        <p className="flex items-center gap-2 rounded-lg bg-warn-soft px-4 py-2.5 text-warn">
          <ShieldAlert aria-hidden className="size-4 shrink-0" />
          {data.tokens.because} You sign in again after the next start.
        </p>
      )}
      {(error ?? remove.error ?? select.error) && (
        <ErrorPanel
          error={error ?? remove.error ?? select.error}
          title="The servers could not be changed"
          onRetry={() => void refetch()}
        />
      )}
      <Panel flush>
        <table className="grid-table">
          <caption className="sr-only">Servers</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Address</th>
              <th scope="col">In use</th>
              <th scope="col">
                <span className="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data?.profiles.map((profile) => (
              <tr key={profile.id}>
                <td>
                  <span className="flex items-center gap-2 font-medium">
                    {profile.name}
                    {profile.production && <Tag tone="bad">production</Tag>}
                  </span>
                </td>
                <td className="font-mono text-xs text-ink-2">{profile.url}</td>
                <td>
                  {profile.id === data.selected ? (
                    <span className="inline-flex items-center gap-1.5 text-ok">
                      <Check aria-hidden className="size-3.5" /> in use
                    </span>
                  ) : (
                    <Button size="small" onClick={() => select.mutate(profile.id)}>
                      Use
                    </Button>
                  )}
                </td>
                <td className="text-right">
                  <span className="inline-flex gap-1">
                    <Button size="small" look="quiet" onClick={() => setEdited(profile)}>
                      Edit
                    </Button>
                    <Button
                      size="small"
                      look="quiet"
                      aria-label={`Remove ${profile.name}`}
                      onClick={() => remove.mutate(profile.id)}
                    >
                      <Trash2 aria-hidden className="size-3.5" />
                    </Button>
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Panel>
      {edited && (
        <ServerDialog
          profile={edited === 'new' ? null : edited}
          onClose={() => setEdited(null)}
          onSaved={(state) => {
            accept(state);
            setEdited(null);
          }}
        />
      )}
    </Page>
  );
}

export function ServerDialog({
  profile,
  onClose,
  onSaved,
}: {
  profile: ServerProfile | null;
  onClose: () => void;
  onSaved: (state: ProfileState) => void;
}) {
  const [name, setName] = useState(profile?.name ?? '');
  const [url, setUrl] = useState(profile?.url ?? '');
  const [production, setProduction] = useState(profile?.production ?? false);
  const save = useMutation({ mutationFn: (input: ProfileInput) => platform.servers!.save(input), onSuccess: onSaved });
  return (
    <FormModal
      title={profile ? `Edit ${profile.name}` : 'Add a server'}
      onClose={onClose}
      blocked={name.trim() && url.trim() ? null : 'Give a name and an address.'}
      busy={save.isPending}
      deed="Save"
      onSubmit={() => save.mutate({ ...(profile ? { id: profile.id } : {}), name, url, production })}
    >
      <Field label="Name">
        {(wiring) => <TextInput {...wiring} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field label="Address" hint="For example https://starling.example.org">
        {(wiring) => <TextInput {...wiring} value={url} onChange={(event) => setUrl(event.target.value)} />}
      </Field>
      <Checkbox
        label="This is production"
        hint="It gets an unmistakable colour, and changes ask for the project's name."
        checked={production}
        onChange={setProduction}
      />
      {save.error && <ErrorPanel error={save.error} title="The server was not saved" />}
    </FormModal>
  );
}
