// biome-ignore-all lint/a11y/useSemanticElements: rows that are placed one by one cannot be a table element's.
// biome-ignore-all lint/a11y/useFocusableInteractive: the rows hold what can be focused, they are not it.
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, type ReactNode, useEffect, useRef } from 'react';
import { keepOnly } from '../lib/keep-only.ts';

/**
 * A table of which only the visible rows exist. Rows may grow (a detail unfolds): they are measured. `columns` is a CSS
 * grid template that head and rows share. `onEnd` is called when the end of the rows comes into view: for those that are
 * read page by page.
 */
export function VirtualRows<Row>({
  rows,
  keyOf,
  columns,
  head,
  label,
  children,
  estimateHeight = 40,
  maxHeight,
  onEnd,
}: {
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  columns: string;
  head: readonly ReactNode[];
  label: string;
  children: (row: Row) => { cells: readonly ReactNode[]; detail?: ReactNode };
  estimateHeight?: number;
  maxHeight: string;
  onEnd?: () => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => estimateHeight,
    getItemKey: (index) => keyOf(rows[index]!),
    overscan: 12,
  });
  // It remembers the height of every row it has ever measured; where rows come and go all day, those that went add up.
  // biome-ignore lint/correctness/useExhaustiveDependencies: how a row is named never changes.
  useEffect(() => {
    keepOnly(virtual.itemSizeCache, rows, keyOf);
  }, [virtual, rows]);
  const last = virtual.getVirtualItems().at(-1)?.index ?? -1;
  const isAtEnd = onEnd !== undefined && last >= rows.length - 1;
  const end = useRef(onEnd);
  end.current = onEnd;
  // By the number of rows as well: a page may be so short that its end is in view at once.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above.
  useEffect(() => {
    if (isAtEnd) end.current?.();
  }, [isAtEnd, rows.length]);
  const template = { gridTemplateColumns: columns };
  return (
    <section
      ref={box}
      className="overflow-auto focus-visible:-outline-offset-2"
      style={{ maxHeight }}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
      tabIndex={0}
      aria-label={label}
    >
      <div role="table" aria-label={label} aria-rowcount={rows.length + 1} className="min-w-[700px]">
        <div role="rowgroup" className="sticky top-0 z-10 border-b border-line bg-surface">
          <div role="row" aria-rowindex={1} className="grid items-center gap-3 px-4 py-1.5" style={template}>
            {head.map((cell, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns never move.
              <span role="columnheader" key={index} className="text-2xs font-semibold text-ink-3">
                {cell}
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map((item) => (
            <RowAt
              key={item.key}
              row={rows[item.index]!}
              draw={children as Draw}
              index={item.index}
              start={item.start}
              columns={columns}
              measure={virtual.measureElement}
            />
          ))}
        </div>
      </div>
    </section>
  );
}

type Draw = (row: unknown) => { cells: readonly ReactNode[]; detail?: ReactNode };

/** Drawn again only when something of it has changed: while one scrolls, only the rows that come into sight are. */
const RowAt = memo(function RowAt({
  row,
  draw,
  index,
  start,
  columns,
  measure,
}: {
  row: unknown;
  draw: Draw;
  index: number;
  start: number;
  columns: string;
  measure: (element: HTMLDivElement | null) => void;
}) {
  const { cells, detail } = draw(row);
  return (
    <div
      ref={measure}
      data-index={index}
      role="presentation"
      className="absolute top-0 left-0 w-full border-b border-line last:border-b-0 hover:bg-sunken/45"
      style={{ transform: `translateY(${start}px)` }}
    >
      <div
        role="row"
        aria-rowindex={index + 2}
        className="grid min-h-9 items-center gap-3 px-4 py-1"
        style={{ gridTemplateColumns: columns }}
      >
        {cells.map((cell, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: columns never move.
          <span role="cell" key={place} className="min-w-0">
            {cell}
          </span>
        ))}
      </div>
      {detail && (
        <div role="row">
          <div role="cell">{detail}</div>
        </div>
      )}
    </div>
  );
});
