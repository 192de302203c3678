import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';

/**
 * A long list, read page by page. `path` is the procedure's, so that a change of its topic reads it again; `next` gives
 * the position after a page's last row. Of a row that came twice, as it moved to another page meanwhile, the first one
 * stays. While other filters are being read, `isPlaceholderData` and the rows before are shown.
 */
export function usePages<Row, Position>({
  path,
  input,
  pageSize,
  read,
  next,
  keyOf,
}: {
  path: readonly [string, string];
  input: object;
  pageSize: number;
  read: (position: Position | undefined, signal: AbortSignal) => Promise<Row[]>;
  next: (last: Row) => Position;
  keyOf: (row: Row) => string | number;
}) {
  const query = useInfiniteQuery({
    queryKey: [path, { pages: input }],
    queryFn: ({ pageParam, signal }) => read(pageParam as Position | undefined, signal),
    initialPageParam: undefined as Position | undefined,
    placeholderData: keepPreviousData,
    getNextPageParam: (page: Row[]) => (page.length < pageSize ? undefined : next(page.at(-1)!)),
  });
  const pages = query.data?.pages;
  // biome-ignore lint/correctness/useExhaustiveDependencies: how a row is named never changes.
  const rows = useMemo(() => pages && firstOfEach(pages.flat(), keyOf), [pages]);
  return { ...query, rows };
}

/** The rows in their order, without those whose key has been there before. */
export function firstOfEach<Row>(rows: readonly Row[], keyOf: (row: Row) => string | number): Row[] {
  const seen = new Set<string | number>();
  return rows.filter((row) => {
    const key = keyOf(row);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
