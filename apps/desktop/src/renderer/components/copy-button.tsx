import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';
import { toast } from 'sonner';
import { platform } from '../lib/platform.ts';

/** Copies at one click and shows that it did. Returns the state and the action, for things that are themselves buttons. */
export function useCopy(text: string): [copied: boolean, copy: () => void] {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const back = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(back);
  }, [copied]);
  return [
    copied,
    () => {
      platform.copy(text).then(
        () => setCopied(true),
        () => toast.error('The clipboard is not available here.'),
      );
    },
  ];
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, copy] = useCopy(text);
  return (
    <button
      type="button"
      onClick={copy}
      aria-label={copied ? 'Copied' : label}
      title={label}
      className="inline-flex size-6 shrink-0 items-center justify-center rounded text-ink-3 hover:bg-sunken hover:text-ink"
    >
      {copied ? <Check aria-hidden className="size-3.5 text-ok" /> : <Copy aria-hidden className="size-3.5" />}
    </button>
  );
}
