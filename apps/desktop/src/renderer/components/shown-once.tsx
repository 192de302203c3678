import { KeyRound } from 'lucide-react';
import { CopyButton } from './copy-button.tsx';

/** A secret that is in this one answer and nowhere else. It is not kept anywhere by the page. */
export function ShownOnce({ secret, what }: { secret: string; what: string }) {
  return (
    <div role="status" className="rounded-lg border border-warn-bar/50 bg-warn-soft px-3.5 py-3">
      <p className="flex items-center gap-2 font-semibold text-warn">
        <KeyRound aria-hidden className="size-4 shrink-0" />
        {what} is shown this once. Copy it now.
      </p>
      <p className="mt-2 flex items-center gap-2 rounded-md border border-line bg-surface py-1 pr-1 pl-2.5">
        <code className="min-w-0 flex-1 font-mono text-xs break-all text-ink select-all">{secret}</code>
        <CopyButton text={secret} label={`Copy ${what.toLowerCase()}`} />
      </p>
    </div>
  );
}
