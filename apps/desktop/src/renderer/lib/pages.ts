import { useInfiniteQuery } from '@tanstack/react-query';

/**
 * A long list, read page by page. `path` is the procedure's, so that a change of its topic reads it again; `next` gives
 * the position after a page's last row.
 */
export function usePages<Row, Position extends string | number>({
  path,
  input,
  pageSize,
  read,
  next,
}: {
  path: readonly [string, string];
  input: object;
  pageSize: number;
  read: (position: Position | undefined, signal: AbortSignal) => Promise<Row[]>;
  next: (last: Row) => Position;
}) {
  const query = useInfiniteQuery({
    queryKey: [path, { pages: input }],
    queryFn: ({ pageParam, signal }) => read(pageParam as Position | undefined, signal),
    initialPageParam: undefined as Position | undefined,
    getNextPageParam: (page: Row[]) => (page.length < pageSize ? undefined : next(page.at(-1)!)),
  });
  return { ...query, rows: query.data?.pages.flat() };
}
