import { createRootRoute, type ErrorComponentProps, Link } from '@tanstack/react-router';
import { Compass } from 'lucide-react';
import { buttonClass } from '../components/button.tsx';
import { ErrorPanel } from '../components/error-panel.tsx';
import { EmptyState, Page } from '../components/page.tsx';
import { Shell } from './shell.tsx';

export const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageError });

/** Empty filters leave the address. A filter that is typed replaces the entry of the history, it adds none. */
export function without<Search extends object>(search: Search): Search {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== '' && value !== 'all')) as Search;
}

export function NotFound() {
  return (
    <Page title="Not here">
      <EmptyState
        icon={Compass}
        title="There is no such page"
        action={
          <Link to="/" className={buttonClass('primary')}>
            Go to the overview
          </Link>
        }
      />
    </Page>
  );
}

function PageError({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="This page failed">
      <ErrorPanel error={error} title="The console met an unexpected error" onRetry={reset} />
    </Page>
  );
}
