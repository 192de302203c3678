import type { ReactNode } from 'react';

/** One number of a page, and what it says. A number that asks for attention says so with its icon and its words. */
export function Figure({ value, text, icon }: { value: ReactNode; text: ReactNode; icon?: ReactNode }) {
  return (
    <div className="panel flex items-center justify-between gap-3 px-4 py-2.5">
      <p className="min-w-0">
        <span className="block text-lg leading-6 font-semibold tracking-tight text-ink">{value}</span>
        <span className="block text-xs text-ink-2">{text}</span>
      </p>
      {icon}
    </div>
  );
}
