import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDownToLine, ChevronDown, ChevronUp, Download, Link2 } from 'lucide-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { toast } from 'sonner';
import { Button } from '../../components/button.tsx';
import { SearchInput } from '../../components/field.tsx';
import type { JobWithStages } from '../../lib/api.ts';
import { plural } from '../../lib/format.ts';
import { findInLog, type LogLine } from '../../lib/log-lines.ts';
import { platform } from '../../lib/platform.ts';
import { useLog } from './use-log.ts';

const lineHeight = 18;

/** The log: live, searched, followed, and only the visible lines are drawn. */
export function LogView({ job, find, onFind }: { job: JobWithStages; find: string; onFind: (find: string) => void }) {
  const log = useLog(job.id);
  const { lines } = log;
  const box = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(job.finishedAt === null);
  const [hit, setHit] = useState(0);
  const hits = useMemo(() => findInLog(lines, find), [lines, find]);
  const hitSet = useMemo(() => new Set(hits), [hits]);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => lineHeight,
    overscan: 20,
  });

  useEffect(() => {
    if (follows && lines.length > 0) rows.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [follows, lines.length, rows]);

  const goTo = (next: number) => {
    if (hits.length === 0) return;
    const index = (next + hits.length) % hits.length;
    setHit(index);
    setFollows(false);
    rows.scrollToIndex(hits[index]!, { align: 'center' });
  };

  // biome-ignore lint/correctness/useExhaustiveDependencies: only a new search jumps to its first hit, not a new line.
  useEffect(() => {
    if (find !== '') goTo(0);
  }, [find, lines.length > 0]);

  const download = () => {
    const url = URL.createObjectURL(new Blob([lines.map((line) => `${line.text}\n`).join('')], { type: 'text/plain' }));
    const anchor = document.createElement('a');
    anchor.href = url;
    anchor.download = `${job.project}-job-${job.id}.log`;
    anchor.click();
    URL.revokeObjectURL(url);
  };
  const copyLink = () => {
    const link = platform.kind === 'desktop' ? `starling://jobs/${job.id}` : window.location.href;
    platform.copy(link).then(
      () => toast.success('The link is copied.'),
      () => toast.error('The clipboard is not available here.'),
    );
  };

  return (
    <section className="flex min-h-56 flex-1 flex-col overflow-hidden rounded-lg border border-line" aria-label="Log">
      <div className="flex flex-wrap items-center gap-2 border-b border-line bg-surface px-3 py-1.5">
        <h2 className="text-sm font-semibold">Log</h2>
        <span className="text-xs text-ink-3" role="status">
          {plural(lines.length + log.dropped, 'line')}
          {log.state === 'following' && job.finishedAt === null ? ', live' : ''}
          {log.state === 'waiting' ? ', interrupted' : ''}
        </span>
        <span className="flex-1" />
        <SearchInput
          label="Find in the log"
          value={find}
          onChange={(event) => onFind(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter') goTo(hit + (event.shiftKey ? -1 : 1));
          }}
          className="w-52"
        />
        {find !== '' && (
          <span className="flex items-center gap-1 text-xs text-ink-2">
            <span aria-live="polite">{hits.length === 0 ? 'not found' : `${hit + 1} of ${hits.length}`}</span>
            <Button size="small" look="quiet" aria-label="Hit before" onClick={() => goTo(hit - 1)}>
              <ChevronUp aria-hidden className="size-3.5" />
            </Button>
            <Button size="small" look="quiet" aria-label="Next hit" onClick={() => goTo(hit + 1)}>
              <ChevronDown aria-hidden className="size-3.5" />
            </Button>
          </span>
        )}
        <Button
          size="small"
          look={follows ? 'plain' : 'quiet'}
          aria-pressed={follows}
          onClick={() => setFollows(!follows)}
          icon={<ArrowDownToLine aria-hidden className="size-3.5" />}
        >
          Follow{follows ? 'ing' : ''}
        </Button>
        <Button size="small" look="quiet" onClick={copyLink} icon={<Link2 aria-hidden className="size-3.5" />}>
          Copy link
        </Button>
        <Button size="small" look="quiet" onClick={download} icon={<Download aria-hidden className="size-3.5" />}>
          Download
        </Button>
      </div>
      <div
        ref={box}
        role="log"
        aria-live="off"
        aria-label={`Log of job ${job.id}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
        tabIndex={0}
        onWheel={(event) => event.deltaY < 0 && setFollows(false)}
        className="min-h-0 flex-1 overflow-auto bg-log py-2 font-mono text-xs text-log-ink focus-visible:-outline-offset-2"
        style={{ lineHeight: `${lineHeight}px` }}
      >
        {lines.length === 0 && (
          <p className="px-4 text-log-ink-3">
            {log.state === 'complete'
              ? 'The log is empty.'
              : job.status === 'QUEUED'
                ? 'No worker has taken the job yet; its log begins here.'
                : 'Waiting for the first line …'}
          </p>
        )}
        {log.dropped > 0 && (
          <p className="px-4 text-log-ink-3">The first {log.dropped.toLocaleString('en')} lines are not shown.</p>
        )}
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map((row) => (
            <div
              key={row.key}
              className="absolute top-0 left-0 w-max min-w-full"
              style={{ transform: `translateY(${row.start}px)`, height: lineHeight }}
            >
              <Line
                line={lines[row.index]!}
                startsAttempt={row.index > 0 && lines[row.index - 1]!.attempt !== lines[row.index]!.attempt}
                mark={hitSet.has(row.index) ? (hits[hit] === row.index ? 'current' : 'hit') : null}
              />
            </div>
          ))}
        </div>
      </div>
    </section>
  );
}

function Line({
  line,
  startsAttempt,
  mark,
}: {
  line: LogLine;
  startsAttempt: boolean;
  mark: 'current' | 'hit' | null;
}) {
  return (
    <div
      className={`flex pr-4 whitespace-pre ${startsAttempt ? 'border-t border-log-ink-3' : ''} ${
        mark === 'current'
          ? 'bg-[#574400] [--log-ink-3:#fff]'
          : mark === 'hit'
            ? 'bg-[#332b0b] [--log-ink-3:#d8d6e4]'
            : ''
      }`}
    >
      <span className="w-14 shrink-0 pr-3 text-right text-log-ink-3 select-none">{line.number}</span>
      <span>
        {line.spans
          ? line.spans.map((span, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a line's spans never move.
              <span key={index} className={span.className}>
                {span.text}
              </span>
            ))
          : line.text}
      </span>
    </div>
  );
}
