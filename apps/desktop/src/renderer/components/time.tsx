import { formatAge, formatDuration } from '../lib/format.ts';
import { useNow } from '../lib/hooks.ts';

/** How long ago; hovering shows the local and the UTC time. */
export function Ago({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span className="text-ink-3">–</span>;
  const date = new Date(at);
  return (
    <time
      dateTime={at}
      title={`${date.toLocaleString()} local\n${date.toISOString()} UTC`}
      className="whitespace-nowrap"
    >
      {formatAge(date.getTime(), now)}
    </time>
  );
}

/** From one moment to another, or to now while it goes on. */
export function Took({ from, to }: { from: string | null; to: string | null }) {
  const now = useNow();
  if (!from) return <span className="text-ink-3">–</span>;
  return (
    <span className="whitespace-nowrap">
      {formatDuration((to ? Date.parse(to) : now) - Date.parse(from))}
      {to ? '' : ' so far'}
    </span>
  );
}
