import { useMutation } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { type ReactNode, useId, useState } from 'react';
import { Button } from '../../components/button.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { Logo } from '../../components/logo.tsx';
import { useTitle } from '../../lib/hooks.ts';
import { signIn } from '../../lib/sign-in.ts';

/** The way in: a token. `above` is where the desktop shows which server it is for. */
export function SignInPage({ problem, above }: { problem: string | null; above?: ReactNode }) {
  useTitle('Sign in');
  const [token, setToken] = useState('');
  const [notice, setNotice] = useState(problem);
  const form = useId();
  const attempt = useMutation({
    mutationFn: signIn,
    onMutate: () => setNotice(null),
    onError: (error) => setNotice(error.message),
  });
  return (
    <main className="flex h-full items-center justify-center overflow-auto bg-canvas p-6">
      <div className="w-full max-w-sm">
        <div className="mb-5 flex items-center gap-3">
          <Logo className="size-10" />
          <div>
            <h1 className="text-xl font-semibold tracking-tight">Starling</h1>
            <p className="text-ink-2">From a commit to every machine, and back.</p>
          </div>
        </div>
        {above}
        <form
          id={form}
          className="panel flex flex-col gap-3.5 p-5"
          onSubmit={(event) => {
            event.preventDefault();
            if (token.trim() && !attempt.isPending) attempt.mutate(token);
          }}
        >
          <Field
            label="Token"
            hint={
              <>
                It begins with <code className="font-mono">stl_</code>. The terminal that started Starling shows a link
                that signs you in.
              </>
            }
            problem={notice}
          >
            {(wiring) => (
              <TextInput
                {...wiring}
                type="password"
                name="token"
                autoComplete="current-password"
                value={token}
                onChange={(event) => setToken(event.target.value)}
                className="font-mono"
              />
            )}
          </Field>
          <Button
            type="submit"
            look="primary"
            busy={attempt.isPending}
            disabledBecause={token.trim() === '' ? 'Paste a token first.' : null}
            icon={<KeyRound aria-hidden className="size-3.5" />}
          >
            {attempt.isPending ? 'Signing in …' : 'Sign in'}
          </Button>
        </form>
      </div>
    </main>
  );
}
