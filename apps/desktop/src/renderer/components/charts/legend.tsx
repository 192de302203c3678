export type ChartTone = 'ok' | 'bad' | 'warn' | 'busy' | 'idle' | 'accent';

export const fills: Record<ChartTone, string> = {
  ok: 'fill-ok-bar',
  bad: 'fill-bad-bar',
  warn: 'fill-warn-bar',
  busy: 'fill-busy-bar',
  idle: 'fill-idle-bar',
  accent: 'fill-accent',
};
const backgrounds: Record<ChartTone, string> = {
  ok: 'bg-ok-bar',
  bad: 'bg-bad-bar',
  warn: 'bg-warn-bar',
  busy: 'bg-busy-bar',
  idle: 'bg-idle-bar',
  accent: 'bg-accent',
};

export const Swatch = ({ tone }: { tone: ChartTone }) => (
  <span aria-hidden className={`inline-block size-2 shrink-0 rounded-[2px] ${backgrounds[tone]}`} />
);

/** What the colours of a chart mean. */
export function Legend({ entries }: { entries: readonly { tone: ChartTone; text: string }[] }) {
  return (
    <span className="flex flex-wrap items-center gap-x-4 gap-y-1 text-xs text-ink-2">
      {entries.map(({ tone, text }) => (
        <span key={text} className="inline-flex items-center gap-1.5">
          <Swatch tone={tone} />
          {text}
        </span>
      ))}
    </span>
  );
}
