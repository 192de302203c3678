import { projectsWith } from '@starling/shared/permissions.ts';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { api } from './api.ts';
import { useConnection } from './connection.ts';
import { platform } from './platform.ts';

let now = Date.now();
const tickers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  now = Date.now();
  for (const ticker of tickers) ticker();
}

// Joining must not change the time: everyone who joined before would have to draw again.
function joinTicks(ticker: () => void): () => void {
  tickers.add(ticker);
  if (!timer) {
    timer = setInterval(tick, 1_000);
    if (Date.now() - now > 1_000) queueMicrotask(tick);
  }
  return () => {
    tickers.delete(ticker);
    if (tickers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time, ticking once a second for everything that shows an age: one timer however many rows. */
export function useNow(): number {
  return useSyncExternalStore(joinTicks, () => now);
}

/** Who is signed in; undefined while that is being asked. */
export function useCaller() {
  return useQuery({ ...api.session.whoAmI.queryOptions(), retry: false });
}

/** Why nothing may be changed right now, or null when it may. */
export function useWhyReadOnly(): string | null {
  const state = useConnection((connection) => connection.state);
  const { data: caller } = useCaller();
  if (state === 'stale') return 'The connection is lost; changes wait until it is back.';
  const mayChange =
    caller &&
    (['build', 'deploy', 'administer'] as const).some(
      (permission) => projectsWith(caller.grants, permission).length > 0,
    );
  if (caller && !mayChange) return `${caller.name} may look, but not change anything.`;
  return null;
}

/** The server this console talks to, as its profile says; undefined in a browser and while it is being read. */
export function useServerProfile() {
  const { servers } = platform;
  const { data } = useQuery({
    queryKey: ['servers'],
    queryFn: () => servers!.read(),
    enabled: servers !== null,
  });
  return data?.profiles.find((profile) => profile.id === data.selected);
}

/** `value` once it has stood still for `milliseconds`. */
export function useSettled<Value>(value: Value, milliseconds: number): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const wait = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(wait);
  }, [value, milliseconds]);
  return settled;
}

/** Names the page in the window's title. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – Starling`;
  }, [title]);
}
