import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { Panel } from '../../components/page.tsx';
import { api, queryClient } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { readableError } from '../../lib/errors.ts';

/** One's own password. Every session ends with it, this one too, so the sign-in page comes next. */
export function PasswordForm() {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const change = useMutation(
    api.accounts.changePassword.mutationOptions({ onSuccess: () => queryClient.resetQueries() }),
  );
  const refused = change.error ? readableError(change.error) : null;
  const missing =
    current === '' || next === ''
      ? 'Type the old one and the new one.'
      : next !== again
        ? 'The new one is not the same twice.'
        : null;
  const input = (label: string, value: string, set: (text: string) => void, field: string | null, isNew: boolean) => (
    <Field label={label} problem={field !== null && refused?.field === field ? refused.message : null}>
      {(wiring) => (
        <TextInput
          {...wiring}
          type="password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
          value={value}
          onChange={(event) => set(event.target.value)}
        />
      )}
    </Field>
  );
  return (
    <Panel title="Your password" beside={<span className="text-xs text-ink-3">you sign in again afterwards</span>}>
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (!missing && !change.isPending) change.mutate({ current, new: next });
        }}
      >
        <div className="grid gap-3 md:grid-cols-3">
          {input('Your password now', current, setCurrent, 'current', false)}
          {input('New password', next, setNext, 'new', true)}
          {input('Once more', again, setAgain, null, true)}
        </div>
        {change.error && <ErrorPanel error={change.error} title="Your password was not changed" />}
        <div className="flex flex-wrap items-center gap-3">
          <Button type="submit" disabledBecause={missing} busy={change.isPending}>
            Change your password
          </Button>
          <div className="w-80 max-w-full">
            <CliLine command={cli.changePassword()} />
          </div>
        </div>
      </form>
    </Panel>
  );
}
