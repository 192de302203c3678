import { useMutation, useQuery } from '@tanstack/react-query';
import { Building2, KeyRound, LogIn } from 'lucide-react';
import { type ReactNode, useId, useState } from 'react';
import { Button, buttonClass } from '../../components/button.tsx';
import { Field, TextInput } from '../../components/field.tsx';
import { Logo } from '../../components/logo.tsx';
import { useTitle } from '../../lib/hooks.ts';
import { openIdAddress, readWays, signIn } from '../../lib/sign-in.ts';

/**
 * The ways in: name and password, the company's provider where there is one, or a token. `above` is where the desktop shows
 * which server it is for.
 */
export function SignInPage({ problem, above }: { problem: string | null; above?: ReactNode }) {
  useTitle('Sign in');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [token, setToken] = useState('');
  const [withToken, setWithToken] = useState(false);
  const [notice, setNotice] = useState(problem);
  const form = useId();
  const { data: ways } = useQuery({ queryKey: ['sign-in-ways'], queryFn: readWays, retry: false });
  const attempt = useMutation({
    mutationFn: signIn,
    onMutate: () => setNotice(null),
    onError: (error) => setNotice(error.message),
  });
  const missing = withToken
    ? token.trim() === '' && 'Paste a token first.'
    : (name.trim() === '' || password === '') && 'Type your name and password first.';
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
            if (missing || attempt.isPending) return;
            attempt.mutate(withToken ? { token: token.trim() } : { name: name.trim(), password });
          }}
        >
          {ways?.openId && (
            <a className={buttonClass()} href={openIdAddress()}>
              <Building2 aria-hidden className="size-3.5" />
              Sign in with your company
            </a>
          )}
          {withToken ? (
            <Field
              label="Token"
              hint={
                <>
                  It begins with <code className="font-mono">stl_</code>. The terminal that started Starling shows a
                  link that signs you in.
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
          ) : (
            <>
              <Field label="Name" problem={null}>
                {(wiring) => (
                  <TextInput
                    {...wiring}
                    name="username"
                    autoComplete="username"
                    autoCapitalize="none"
                    spellCheck={false}
                    value={name}
                    onChange={(event) => setName(event.target.value)}
                  />
                )}
              </Field>
              <Field label="Password" problem={notice}>
                {(wiring) => (
                  <TextInput
                    {...wiring}
                    type="password"
                    name="password"
                    autoComplete="current-password"
                    value={password}
                    onChange={(event) => setPassword(event.target.value)}
                  />
                )}
              </Field>
            </>
          )}
          <Button
            type="submit"
            look="primary"
            busy={attempt.isPending}
            disabledBecause={missing || null}
            icon={
              withToken ? <KeyRound aria-hidden className="size-3.5" /> : <LogIn aria-hidden className="size-3.5" />
            }
          >
            {attempt.isPending ? 'Signing in …' : 'Sign in'}
          </Button>
          <Button
            look="quiet"
            size="small"
            className="self-center"
            onClick={() => {
              setNotice(null);
              setWithToken(!withToken);
            }}
          >
            {withToken ? 'Use name and password' : 'Use a token instead'}
          </Button>
        </form>
      </div>
    </main>
  );
}
