import { RefreshCw, TriangleAlert } from 'lucide-react';
import { readableError } from '../lib/errors.ts';
import { Button } from './button.tsx';
import { CopyButton } from './copy-button.tsx';

/** What went wrong, what mends it, what to quote; it stays until it is mended. */
export function ErrorPanel({
  error,
  title,
  onRetry,
  retryWord = 'Try again',
}: {
  error: unknown;
  title: string;
  onRetry?: (() => void) | undefined;
  retryWord?: string;
}) {
  const { message, fix, requestId } = readableError(error);
  return (
    <div role="alert" className="rounded-lg border border-bad-bar/50 bg-bad-soft px-4 py-3">
      <div className="flex items-start gap-2.5">
        <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
        <div className="min-w-0 flex-1">
          <p className="font-semibold text-bad">{title}</p>
          <p className="mt-0.5 break-words whitespace-pre-wrap text-ink">{message}</p>
          {fix && <p className="mt-1 text-ink-2">{fix}</p>}
          {requestId && (
            <p className="mt-1 flex items-center gap-1 text-xs text-ink-2">
              Request <code className="font-mono">{requestId}</code>
              <CopyButton text={requestId} label="Copy the request id" />
            </p>
          )}
        </div>
        {onRetry && (
          <Button size="small" onClick={onRetry} icon={<RefreshCw aria-hidden className="size-3.5" />}>
            {retryWord}
          </Button>
        )}
      </div>
    </div>
  );
}
