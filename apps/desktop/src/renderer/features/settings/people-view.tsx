import { allProjects } from '@starling/shared/permissions.ts';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Ban, CircleCheck, LockKeyhole, UserPlus, X } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Panel } from '../../components/page.tsx';
import { Status } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { type Account, api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useCaller, useWhyReadOnly } from '../../lib/hooks.ts';
import { AccountDialog, GrantDialog, PasswordDialog } from './account-dialogs.tsx';

type Open = { kind: 'add' } | { kind: 'grant' | 'password'; name: string };
const signsInWith = { password: 'password', openid: 'OpenID Connect', token: 'tokens only' } as const;

/** Who may sign in, and what they may do where. */
export function PeopleView() {
  const readOnly = useWhyReadOnly();
  const { data: caller } = useCaller();
  const read = useQuery(api.accounts.list.queryOptions());
  const { data } = read;
  const error = errorToShow(read);
  const [open, setOpen] = useState<Open | null>(null);
  const refresh = () => queryClient.invalidateQueries({ queryKey: api.accounts.pathKey() });
  const revoke = useMutation(api.accounts.revoke.mutationOptions({ onSuccess: refresh }));
  const disable = useMutation(api.accounts.disable.mutationOptions({ onSuccess: refresh }));
  const enable = useMutation(api.accounts.enable.mutationOptions({ onSuccess: refresh }));
  const unlock = useMutation(api.accounts.unlock.mutationOptions({ onSuccess: refresh }));
  const failed = revoke.error ?? disable.error ?? enable.error ?? unlock.error;
  return (
    <div className="flex flex-col gap-4">
      {error && <ErrorPanel error={error} title="The accounts could not be read" onRetry={() => void read.refetch()} />}
      {failed && <ErrorPanel error={failed} title="The account was not changed" />}
      {!error && (
        <Panel
          title={data ? plural(data.length, 'person', 'people') : 'People'}
          beside={
            <Button
              size="small"
              disabledBecause={readOnly}
              onClick={() => setOpen({ kind: 'add' })}
              icon={<UserPlus aria-hidden className="size-3.5" />}
            >
              Add a person
            </Button>
          }
          flush
        >
          {!data && <Loading rows={4} label="Loading accounts" />}
          {data && (
            <table className="grid-table">
              <caption className="sr-only">Accounts</caption>
              <thead>
                <tr>
                  <th scope="col">Person</th>
                  <th scope="col">State</th>
                  <th scope="col">Roles</th>
                  <th scope="col">Signed in</th>
                  <th scope="col">
                    <span className="sr-only">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {data.map((account) => (
                  <tr key={account.name}>
                    <td>
                      <span className="block font-medium text-ink">
                        {account.displayName}
                        {account.displayName !== account.name && (
                          <span className="font-normal text-ink-3"> {account.name}</span>
                        )}
                        {account.name === caller?.name && <span className="font-normal text-ink-3"> (you)</span>}
                      </span>
                      <span className="block text-xs text-ink-3">
                        {account.email ?? 'no e-mail address'}, {signsInWith[account.signsInWith]}
                      </span>
                    </td>
                    <td>
                      <State account={account} />
                    </td>
                    <td>
                      <Roles
                        account={account}
                        blocked={readOnly}
                        onRevoke={(grant) =>
                          revoke.mutate({
                            name: account.name,
                            role: grant.role,
                            ...(grant.project !== allProjects && { project: grant.project }),
                          })
                        }
                        onGrant={() => setOpen({ kind: 'grant', name: account.name })}
                      />
                    </td>
                    <td className="text-xs whitespace-nowrap text-ink-2">
                      {account.lastSignInAt ? <Ago at={account.lastSignInAt} /> : 'never'}
                    </td>
                    <td className="text-right whitespace-nowrap">
                      <span className="inline-flex gap-1">
                        {account.lockedUntil && Date.parse(account.lockedUntil) > Date.now() && (
                          <Button
                            size="small"
                            disabledBecause={readOnly}
                            title={cli.account('unlock', account.name)}
                            onClick={() => unlock.mutate({ name: account.name })}
                          >
                            Unlock<span className="sr-only"> {account.name}</span>
                          </Button>
                        )}
                        {account.signsInWith !== 'openid' && (
                          <Button
                            size="small"
                            look="quiet"
                            disabledBecause={readOnly}
                            onClick={() => setOpen({ kind: 'password', name: account.name })}
                          >
                            Password<span className="sr-only"> of {account.name}</span>
                          </Button>
                        )}
                        <ConfirmButton
                          size="small"
                          look="quiet"
                          again={account.disabledAt ? 'Really let in?' : 'Really shut out?'}
                          disabledBecause={
                            readOnly ?? (account.name === caller?.name ? 'Somebody else has to shut you out.' : null)
                          }
                          title={cli.account(account.disabledAt ? 'enable' : 'disable', account.name)}
                          onConfirm={() => (account.disabledAt ? enable : disable).mutate({ name: account.name })}
                        >
                          {account.disabledAt ? 'Let in again' : 'Shut out'}
                          <span className="sr-only"> {account.name}</span>
                        </ConfirmButton>
                      </span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Panel>
      )}
      <div className="max-w-md">
        <CliLine command={cli.accounts()} />
      </div>
      {open?.kind === 'add' && <AccountDialog onClose={() => setOpen(null)} />}
      {open?.kind === 'grant' && <GrantDialog name={open.name} onClose={() => setOpen(null)} />}
      {open?.kind === 'password' && <PasswordDialog name={open.name} onClose={() => setOpen(null)} />}
    </div>
  );
}

function State({ account: { disabledAt, lockedUntil } }: { account: Account }) {
  if (disabledAt) {
    return (
      <Status tone="bad" icon={Ban}>
        Shut out
      </Status>
    );
  }
  if (lockedUntil && Date.parse(lockedUntil) > Date.now()) {
    return (
      <Status tone="warn" icon={LockKeyhole}>
        Locked
      </Status>
    );
  }
  return (
    <Status tone="ok" icon={CircleCheck}>
      May sign in
    </Status>
  );
}

function Roles({
  account,
  blocked,
  onRevoke,
  onGrant,
}: {
  account: Account;
  blocked: string | null;
  onRevoke: (grant: Account['grants'][number]) => void;
  onGrant: () => void;
}) {
  return (
    <span className="flex flex-wrap items-center gap-1">
      {account.grants.map((grant) => {
        const text = grant.project === allProjects ? grant.role : `${grant.role} in ${grant.project}`;
        return (
          <span
            key={text}
            title={`given by ${grant.grantedBy}`}
            className="inline-flex h-6 items-center gap-0.5 rounded bg-idle-soft pl-2 text-xs font-medium text-ink-2"
          >
            {text}
            <button
              type="button"
              aria-label={`Take ${text} from ${account.name}`}
              title={
                blocked ??
                cli.grant('revoke', account.name, grant.role, grant.project === allProjects ? undefined : grant.project)
              }
              aria-disabled={blocked !== null}
              onClick={() => blocked === null && onRevoke(grant)}
              className="inline-flex size-6 items-center justify-center rounded text-ink-3 hover:bg-line hover:text-ink"
            >
              <X aria-hidden className="size-3" />
            </button>
          </span>
        );
      })}
      <Button size="small" look="quiet" disabledBecause={blocked} onClick={onGrant}>
        Give a role<span className="sr-only"> to {account.name}</span>
      </Button>
    </span>
  );
}
