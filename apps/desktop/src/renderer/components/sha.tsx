import { Check, Copy } from 'lucide-react';
import { shortSha } from '../lib/format.ts';
import { useCopy } from './copy-button.tsx';

/** A commit's SHA, short; one click copies the whole. `text` shows something else for it, for example a build's id. */
export function Sha({ sha, text, what = 'SHA' }: { sha: string; text?: string; what?: string }) {
  const [copied, copy] = useCopy(sha);
  return (
    <button
      type="button"
      onClick={(event) => {
        event.stopPropagation();
        copy();
      }}
      title={`Copy ${sha}`}
      aria-label={copied ? 'Copied' : `Copy the whole ${what}, ${text ?? shortSha(sha)}`}
      className="group -mx-1 inline-flex min-h-6 items-center gap-1 rounded px-1 font-mono text-xs text-ink-2 hover:bg-sunken hover:text-ink"
    >
      {text ?? shortSha(sha)}
      {copied ? (
        <Check aria-hidden className="size-3 text-ok" />
      ) : (
        <Copy aria-hidden className="size-3 opacity-0 group-hover:opacity-100 group-focus-visible:opacity-100" />
      )}
    </button>
  );
}
