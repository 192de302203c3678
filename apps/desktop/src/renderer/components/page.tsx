import type { LucideIcon } from 'lucide-react';
import { type ReactNode, useCallback, useState } from 'react';

/** A page: its title and actions stay, the rest scrolls. */
export function Page({
  title,
  above,
  beside,
  below,
  actions,
  children,
}: {
  title: ReactNode;
  /** Where the page is, for example a link to its list. */
  above?: ReactNode;
  /** What stands right of the title. */
  beside?: ReactNode;
  /** A line about the thing, under the title. */
  below?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2 border-b border-line bg-surface px-6 py-3">
        <div className="min-w-0 flex-1 basis-72">
          {above && <div className="mb-0.5 flex items-center gap-1.5 text-xs text-ink-3">{above}</div>}
          <div className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-1">
            <h1 className="min-w-0 truncate text-lg font-semibold tracking-tight text-ink">{title}</h1>
            {beside}
          </div>
          {below && <div className="mt-0.5 text-ink-2">{below}</div>}
        </div>
        {actions && <div className="ml-auto flex flex-wrap items-center justify-end gap-2 pt-0.5">{actions}</div>}
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard. */}
      <section className="min-h-0 flex-1 overflow-auto" tabIndex={0} aria-label="Page content">
        <div className="flex min-h-full flex-col gap-4 px-6 py-5">{children}</div>
      </section>
    </div>
  );
}

/** A titled part of a page. */
export function Panel({
  title,
  beside,
  children,
  className = '',
  flush = false,
}: {
  title?: ReactNode;
  beside?: ReactNode;
  children: ReactNode;
  className?: string;
  /** The content reaches the border, as a table does. */
  flush?: boolean;
}) {
  return (
    <section className={`panel min-w-0 overflow-hidden ${className}`}>
      {title && (
        <div className="flex min-h-10 flex-wrap items-center justify-between gap-x-3 gap-y-1 border-b border-line px-4 py-1.5">
          <h2 className="text-sm font-semibold text-ink">{title}</h2>
          {beside}
        </div>
      )}
      {flush ? <SidewaysScroller>{children}</SidewaysScroller> : <div className="px-4 py-3">{children}</div>}
    </section>
  );
}

/** What may be wider than its place. Only while it is, the keyboard stops here, to scroll it. */
function SidewaysScroller({ children }: { children: ReactNode }) {
  const [scrolls, setScrolls] = useState(false);
  const watch = useCallback((box: HTMLDivElement | null) => {
    if (!box) return;
    const look = () => setScrolls(box.scrollWidth > box.clientWidth);
    const observer = new ResizeObserver(look);
    observer.observe(box);
    if (box.firstElementChild) observer.observe(box.firstElementChild);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={watch} className="overflow-x-auto focus-visible:-outline-offset-2" {...(scrolls && { tabIndex: 0 })}>
      {children}
    </div>
  );
}

/** Nothing here yet, and the one thing to do about it. */
export function EmptyState({
  icon: Icon,
  title,
  children,
  action,
}: {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="flex flex-col items-center gap-1 px-6 py-12 text-center">
      <span className="mb-2 flex size-11 items-center justify-center rounded-xl bg-accent-soft text-accent">
        <Icon aria-hidden className="size-5" />
      </span>
      <p className="font-semibold text-ink">{title}</p>
      {children && <div className="max-w-md text-ink-2">{children}</div>}
      {action && <div className="mt-3">{action}</div>}
    </div>
  );
}

/** Grey lines in the shape of what is coming. */
export function Loading({ rows = 4, label = 'Loading' }: { rows?: number; label?: string }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col gap-3 px-4 py-4">
      {Array.from({ length: rows }, (_, row) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike.
          key={row}
          className="h-4 rounded bg-sunken"
          style={{ width: `${88 - ((row * 17) % 40)}%` }}
        />
      ))}
    </div>
  );
}

/** Facts about one thing, as terms and values. */
export function Facts({ facts }: { facts: [term: string, value: ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[repeat(auto-fill,minmax(170px,1fr))] gap-x-6 gap-y-3">
      {facts.map(([term, value]) => (
        <div key={term} className="min-w-0">
          <dt className="eyebrow">{term}</dt>
          <dd className="mt-0.5 min-w-0 break-words text-ink">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
