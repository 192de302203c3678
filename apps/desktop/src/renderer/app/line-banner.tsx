import { useQuery } from '@tanstack/react-query';
import { CirclePlay, OctagonX } from 'lucide-react';
import { Button } from '../components/button.tsx';
import { Ago } from '../components/time.tsx';
import { api } from '../lib/api.ts';
import { useWhyReadOnly } from '../lib/hooks.ts';
import { useUi } from '../lib/ui-state.ts';

const mostShown = 3;

/** On every page while a line is stopped: whose, by whom, why, and the way to start it again. */
export function LineBanner() {
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const { data } = useQuery(api.line.list.queryOptions());
  if (!data || data.length === 0) return null;
  return (
    <div role="status" className="shrink-0 border-b border-bad-bar/50 bg-bad-soft">
      {data.slice(0, mostShown).map(({ id, project, reason, stoppedBy, stoppedAt }) => (
        <p key={id} className="flex min-h-9 flex-wrap items-center justify-center gap-x-3 gap-y-1 px-4 py-1 text-bad">
          <OctagonX aria-hidden className="size-4 shrink-0" />
          <span className="min-w-0">
            <span className="font-semibold">The line of {project ?? 'all projects'} is stopped</span> by {stoppedBy}{' '}
            <Ago at={stoppedAt} />: {reason}
          </span>
          <Button
            size="small"
            disabledBecause={readOnly}
            onClick={() => open({ kind: 'line', project, verb: 'start' })}
            icon={<CirclePlay aria-hidden className="size-3.5" />}
          >
            Start the line<span className="sr-only"> of {project ?? 'all projects'}</span>
          </Button>
        </p>
      ))}
      {data.length > mostShown && (
        <p className="pb-1 text-center text-xs text-bad">and {data.length - mostShown} more</p>
      )}
    </div>
  );
}
