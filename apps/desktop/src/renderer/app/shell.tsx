import { Outlet } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Toaster } from 'sonner';
import { followChanges } from '../lib/connection.ts';
import { useServerProfile } from '../lib/hooks.ts';
import { useUi } from '../lib/ui-state.ts';
import { useDeploymentNotices } from './deployment-notices.ts';
import { Dialogs } from './dialogs.tsx';
import { KeysDialog } from './keys-dialog.tsx';
import { LineBanner } from './line-banner.tsx';
import { Palette } from './palette.tsx';
import { Sidebar } from './sidebar.tsx';
import { StaleBanner } from './stale-banner.tsx';
import { useUpdateNotice } from './update-notice.ts';
import { useShortcuts } from './use-shortcuts.ts';

/** What is around every page. */
export function Shell() {
  useEffect(followChanges, []);
  useShortcuts();
  useDeploymentNotices();
  useUpdateNotice();
  const overlay = useUi((ui) => ui.overlay);
  const profile = useServerProfile();
  return (
    <div className="flex h-full flex-col">
      <a
        href="#page"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-raised focus:px-3 focus:py-1.5 focus:shadow-high"
      >
        Skip to the page
      </a>
      {profile?.production && (
        <div className="flex h-6 shrink-0 items-center justify-center bg-production text-2xs font-bold tracking-widest text-on-production uppercase">
          Production – {profile.name}
        </div>
      )}
      <StaleBanner />
      <LineBanner />
      <div className="flex min-h-0 flex-1">
        <Sidebar />
        <main id="page" tabIndex={-1} className="min-w-0 flex-1 outline-none">
          <Outlet />
        </main>
      </div>
      <Dialogs />
      {overlay === 'palette' && <Palette />}
      {overlay === 'keys' && <KeysDialog />}
      <Toaster
        position="bottom-right"
        toastOptions={{
          classNames: { description: '!text-ink-2' },
          style: { background: 'var(--raised)', color: 'var(--ink)', border: '1px solid var(--line)' },
        }}
      />
    </div>
  );
}
