import { type ReactNode, useEffect, useRef, useState } from 'react';
import { ErrorPanel } from '../components/error-panel.tsx';
import { Logo } from '../components/logo.tsx';
import { SignInPage } from '../features/sign-in/sign-in-page.tsx';
import { readableError } from '../lib/errors.ts';
import { useCaller } from '../lib/hooks.ts';
import { platform } from '../lib/platform.ts';
import { signIn, takeTokenFromAddress } from '../lib/sign-in.ts';
import { ServerChoice } from './server-choice.tsx';

/** Lets only those through who are signed in; a sign-in link's token is used first. */
export function Gate({ token, children }: { token: string | null; children: ReactNode }) {
  const [waiting, setWaiting] = useState(token !== null);
  const [problem, setProblem] = useState<string | null>(null);
  const used = useRef(false);
  const caller = useCaller();
  useEffect(() => {
    const enter = (secret: string) => {
      setWaiting(true);
      setProblem(null);
      signIn({ token: secret })
        .catch((error: Error) => setProblem(error.message))
        .finally(() => setWaiting(false));
    };
    if (token !== null && !used.current) {
      used.current = true;
      enter(token);
    }
    // A link that is opened where the console is open already changes only the fragment: nothing is loaded again.
    const onFragment = () => {
      const later = takeTokenFromAddress();
      if (later !== null) enter(later);
    };
    window.addEventListener('hashchange', onFragment);
    return () => window.removeEventListener('hashchange', onFragment);
  }, [token]);

  if (waiting || (caller.isPending && !caller.error)) return <Opening />;
  if (caller.data) return children;
  if (caller.error && readableError(caller.error).kind !== 'signed-out') {
    return (
      <main className="flex h-full items-center justify-center p-6">
        <div className="w-full max-w-lg">
          <div className="mb-4 flex items-center gap-3">
            <Logo className="size-9" />
            <h1 className="text-xl font-semibold tracking-tight">Starling</h1>
          </div>
          {platform.servers && <ServerChoice />}
          <ErrorPanel error={caller.error} title="No connection" onRetry={() => void caller.refetch()} />
        </div>
      </main>
    );
  }
  return <SignInPage key={problem} problem={problem} above={platform.servers ? <ServerChoice /> : undefined} />;
}

function Opening() {
  return (
    <main className="flex h-full items-center justify-center" aria-busy="true">
      <h1 className="sr-only">Starling is opening</h1>
      <Logo className="size-10 opacity-70" />
    </main>
  );
}
