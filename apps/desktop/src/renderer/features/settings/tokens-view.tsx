import { useMutation, useQuery } from '@tanstack/react-query';
import { Ban, CircleCheck, Clock, KeyRound, Plus } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { Status, Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { api, queryClient, type Token } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { formatDuration } from '../../lib/format.ts';
import { useCaller, useNow } from '../../lib/hooks.ts';
import { PasswordForm } from './password-form.tsx';
import { TokenDialog } from './token-dialog.tsx';

/** A person's own tokens and password. Everybody has this page, also who may only look. */
export function TokensView() {
  const { data: caller } = useCaller();
  const read = useQuery({ ...api.tokens.list.queryOptions({ account: caller?.name }), enabled: caller !== undefined });
  const error = errorToShow(read);
  const [adding, setAdding] = useState(false);
  const revoke = useMutation(
    api.tokens.revoke.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: api.tokens.pathKey() }),
    }),
  );
  const usable = read.data?.filter(({ revokedAt }) => revokedAt === null);
  const add = (
    <Button size="small" onClick={() => setAdding(true)} icon={<Plus aria-hidden className="size-3.5" />}>
      Make a token
    </Button>
  );
  return (
    <div className="flex flex-col gap-4">
      {error && <ErrorPanel error={error} title="Your tokens could not be read" onRetry={() => void read.refetch()} />}
      {revoke.error && <ErrorPanel error={revoke.error} title="The token was not revoked" />}
      <Panel title="Your tokens" beside={usable && usable.length > 0 && add} flush>
        {!usable && !error && <Loading rows={3} label="Loading tokens" />}
        {usable?.length === 0 && (
          <EmptyState icon={KeyRound} title="You have no token" action={add}>
            Scripts and the CLI show a token instead of a password. It may do what you may, or less.
          </EmptyState>
        )}
        {usable && usable.length > 0 && (
          <table className="grid-table">
            <caption className="sr-only">Your tokens</caption>
            <thead>
              <tr>
                <th scope="col">For</th>
                <th scope="col">May do</th>
                <th scope="col">State</th>
                <th scope="col">Made</th>
                <th scope="col">Used</th>
                <th scope="col">
                  <span className="sr-only">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {usable.map((token) => (
                <tr key={token.id}>
                  <td className="font-medium text-ink">{token.name}</td>
                  <td>
                    {token.role ? <Tag>at most {token.role}</Tag> : <span className="text-ink-2">all you may</span>}
                  </td>
                  <td>
                    <TokenState token={token} />
                  </td>
                  <td className="text-xs text-ink-2">
                    <Ago at={token.createdAt} />
                  </td>
                  <td className="text-xs text-ink-2">{token.lastUsedAt ? <Ago at={token.lastUsedAt} /> : 'never'}</td>
                  <td className="text-right">
                    <ConfirmButton
                      size="small"
                      look="quiet"
                      again="Really revoke?"
                      busy={revoke.isPending && revoke.variables.id === token.id}
                      title={cli.revokeToken(token.id)}
                      onConfirm={() => revoke.mutate({ id: token.id })}
                      icon={<Ban aria-hidden className="size-3.5" />}
                    >
                      Revoke<span className="sr-only"> {token.name}</span>
                    </ConfirmButton>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      <PasswordForm />
      <div className="max-w-md">
        <CliLine command={cli.tokens()} />
      </div>
      {adding && <TokenDialog onClose={() => setAdding(false)} />}
    </div>
  );
}

function TokenState({ token: { expiresAt } }: { token: Token }) {
  const now = useNow();
  if (expiresAt === null) {
    return (
      <Status tone="ok" icon={CircleCheck}>
        lasts
      </Status>
    );
  }
  const leftMs = Date.parse(expiresAt) - now;
  return leftMs <= 0 ? (
    <Status tone="idle" icon={Clock}>
      expired
    </Status>
  ) : (
    <Status tone={leftMs < 7 * 86_400_000 ? 'warn' : 'ok'} icon={leftMs < 7 * 86_400_000 ? Clock : CircleCheck}>
      {formatDuration(leftMs)} left
    </Status>
  );
}
