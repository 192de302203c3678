import { useMutation, useQuery } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../components/button.tsx';
import { Select } from '../components/field.tsx';
import { Tag } from '../components/status.tsx';
import { ServerDialog } from '../features/servers/servers-page.tsx';
import { queryClient } from '../lib/api.ts';
import { platform } from '../lib/platform.ts';

/** Before signing in: which server it is for. Only in the window. */
export function ServerChoice() {
  const servers = platform.servers!;
  const { data } = useQuery({ queryKey: ['servers'], queryFn: () => servers.read() });
  const [adding, setAdding] = useState(false);
  const select = useMutation({
    mutationFn: (id: string) => servers.select(id),
    onSuccess: () => window.location.assign('/'),
  });
  const selected = data?.profiles.find((profile) => profile.id === data.selected);
  return (
    <div className="mb-3 flex items-center gap-2">
      {data && data.profiles.length > 0 && (
        <Select
          label="Server"
          value={data.selected ?? ''}
          onChange={(id) => select.mutate(id)}
          options={data.profiles.map(({ id, name, url }) => ({ value: id, text: `${name} (${url})` }))}
        />
      )}
      {selected?.production && <Tag tone="bad">production</Tag>}
      <Button size="small" onClick={() => setAdding(true)} icon={<Plus aria-hidden className="size-3.5" />}>
        Add a server
      </Button>
      {adding && (
        <ServerDialog
          profile={null}
          onClose={() => setAdding(false)}
          onSaved={(state) => {
            queryClient.setQueryData(['servers'], state);
            window.location.assign('/');
          }}
        />
      )}
    </div>
  );
}
