export interface Segment {
  amount: number;
  tone: 'ok' | 'busy' | 'bad' | 'warn' | 'idle';
}

const fills = { ok: 'bg-ok-bar', busy: 'bg-busy-bar', bad: 'bg-bad-bar', warn: 'bg-warn-bar', idle: 'bg-idle-bar' };

/** Parts of a whole, side by side. `label` says the same in words for those who do not see it. */
export function Bar({
  segments,
  total,
  label,
  thick = false,
}: {
  segments: readonly Segment[];
  total: number;
  label: string;
  thick?: boolean;
}) {
  return (
    <span
      role="img"
      aria-label={label}
      className={`flex w-full overflow-hidden rounded-full bg-line ${thick ? 'h-2' : 'h-1.5'}`}
    >
      {segments.map(({ amount, tone }) =>
        amount > 0 && total > 0 ? (
          <span
            key={tone}
            className={`${fills[tone]} h-full border-r border-surface transition-[width] duration-300 last:border-r-0`}
            style={{ width: `${Math.max(1.5, (amount / total) * 100)}%` }}
          />
        ) : null,
      )}
    </span>
  );
}
