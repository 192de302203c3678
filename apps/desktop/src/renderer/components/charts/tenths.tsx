const places = ['less than 10 %', ...Array.from({ length: 9 }, (_, tenth) => `${tenth + 1}0 % and more`), 'all of it'];

/** How many machines have how much: a column for each tenth, the last one for those that have everything. */
export function Tenths({ shares, label, tall = false }: { shares: readonly number[]; label: string; tall?: boolean }) {
  const all = shares.reduce((sum, count) => sum + count, 0);
  const most = Math.max(1, ...shares);
  const said = shares.flatMap((count, tenth) => (count > 0 ? [`${count} have ${places[tenth]}`] : []));
  return (
    <span
      role="img"
      aria-label={`${label}: ${all === 0 ? 'no machine' : said.join(', ')}`}
      title={said.join('\n')}
      className={`flex w-full items-end gap-0.5 ${tall ? 'h-24' : 'h-5'}`}
    >
      {shares.map((count, tenth) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: tenths never move.
          key={tenth}
          className="flex h-full min-w-0 flex-1 flex-col items-stretch justify-end"
        >
          {tall && count > 0 && (
            <span className="text-center text-2xs leading-4 text-ink-2">{count.toLocaleString('en')}</span>
          )}
          <span
            className={`block rounded-t-[2px] transition-[height] duration-300 ${
              count === 0 ? 'bg-line' : tenth === shares.length - 1 ? 'bg-ok-bar' : 'bg-busy-bar'
            }`}
            style={{ height: count === 0 ? '2px' : `max(3px, ${(count / most) * (tall ? 78 : 100)}%)` }}
          />
        </span>
      ))}
    </span>
  );
}

/** What stands below a tall one. */
export function TenthsAxis() {
  return (
    <span aria-hidden className="mt-1 flex w-full gap-0.5 border-t border-line pt-0.5 text-center text-2xs text-ink-3">
      {places.map((place, tenth) => (
        <span key={place} className="min-w-0 flex-1">
          {tenth === places.length - 1 ? 'all' : tenth * 10}
        </span>
      ))}
    </span>
  );
}
