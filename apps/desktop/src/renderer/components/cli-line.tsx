import { Terminal } from 'lucide-react';
import { CopyButton } from './copy-button.tsx';

/** The command line that does the same. */
export function CliLine({ command, label = 'The same in a terminal' }: { command: string; label?: string }) {
  return (
    <div className="flex min-w-0 items-center gap-2 rounded-md border border-line bg-sunken/60 py-0.5 pr-1 pl-2.5">
      <Terminal aria-hidden className="size-3.5 shrink-0 text-ink-3" />
      <span className="sr-only">{label}:</span>
      <code className="min-w-0 flex-1 truncate font-mono text-xs text-ink-2" title={command}>
        {command}
      </code>
      <CopyButton text={command} label="Copy this command" />
    </div>
  );
}
