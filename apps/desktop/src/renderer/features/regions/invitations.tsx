import { useMutation, useQuery } from '@tanstack/react-query';
import { Button } from '../../components/button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Panel } from '../../components/page.tsx';
import { Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { formatDuration } from '../../lib/format.ts';
import { useNow } from '../../lib/hooks.ts';

/** The enrolment tokens that still let somebody in; each can be taken back. */
export function Invitations({ blocked }: { blocked: string | null }) {
  const now = useNow();
  const { data } = useQuery(api.identities.invitations.queryOptions({}));
  const withdraw = useMutation(
    api.identities.withdraw.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: api.identities.invitations.pathKey() }),
    }),
  );
  if (!data || data.length === 0) return null;
  return (
    <Panel
      title="Tokens that still let somebody in"
      beside={<span className="text-xs text-ink-3">take back what is not needed any more</span>}
      flush
    >
      {withdraw.error && (
        <div className="p-4">
          <ErrorPanel error={withdraw.error} title="The token was not taken back" />
        </div>
      )}
      <table className="grid-table">
        <caption className="sr-only">Open enrolment tokens</caption>
        <thead>
          <tr>
            <th scope="col">Token</th>
            <th scope="col">Lets in</th>
            <th scope="col">Made</th>
            <th scope="col">Expires</th>
            <th scope="col">
              <span className="sr-only">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {data.map((invitation) => (
            <tr key={invitation.id}>
              <td className="font-mono text-xs text-ink">no. {invitation.id}</td>
              <td>
                <span className="flex items-center gap-2">
                  <Tag>{invitation.kind}</Tag>
                  <span className="text-ink-2">
                    {invitation.usesLeft.toLocaleString('en')} more
                    {invitation.region && ` in ${invitation.region}`}
                  </span>
                </span>
              </td>
              <td className="text-xs text-ink-2">
                by {invitation.createdBy} <Ago at={invitation.createdAt} />
              </td>
              <td className="text-xs text-ink-2">in {formatDuration(Date.parse(invitation.expiresAt) - now)}</td>
              <td className="text-right">
                <Button
                  size="small"
                  disabledBecause={blocked}
                  title={blocked ?? cli.withdrawInvitation(invitation.id)}
                  busy={withdraw.isPending && withdraw.variables.id === invitation.id}
                  onClick={() => withdraw.mutate({ id: invitation.id })}
                >
                  Withdraw<span className="sr-only"> token {invitation.id}</span>
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
