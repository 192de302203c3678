import { RefreshCw, WifiOff } from 'lucide-react';
import { Button } from '../components/button.tsx';
import { reconnectNow, useConnection } from '../lib/connection.ts';
import { useNow } from '../lib/hooks.ts';

/** Says since when the page is old, and when the next attempt to reconnect is made. */
export function StaleBanner() {
  const { state, freshAt, retryAt } = useConnection();
  const now = useNow();
  if (state !== 'stale') return null;
  const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - now) / 1_000)) : 0;
  return (
    <div
      role="status"
      className="flex min-h-9 shrink-0 flex-wrap items-center justify-center gap-x-3 gap-y-1 border-b border-warn-bar/50 bg-warn-soft px-4 py-1 text-warn"
    >
      <WifiOff aria-hidden className="size-4" />
      <span>
        <span className="font-semibold">
          {freshAt
            ? `Stale since ${new Date(freshAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}`
            : 'Not connected'}
          , reconnecting
        </span>
        {seconds > 1 ? ` in ${seconds} s.` : ' …'} Nothing can be changed until the connection is back.
      </span>
      <Button size="small" onClick={reconnectNow} icon={<RefreshCw aria-hidden className="size-3.5" />}>
        Now
      </Button>
    </div>
  );
}
