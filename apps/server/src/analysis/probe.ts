import { messageOf } from '@starling/shared/errors.ts';
import { callHttp } from '../lib/call-http.ts';
import type { Measurement } from './measurement.ts';

export interface Probe {
  url: string;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Asks an address: 2xx is SUCCESSFUL, any other answer FAILED, and none at all an ERROR; it never throws. */
export async function probe({ url, timeoutMs, signal }: Probe): Promise<Measurement> {
  try {
    const { status } = await callHttp({ url, method: 'GET', headers: {}, signal, timeoutMs, mostAnswerBytes: 1024 });
    const { host, pathname } = new URL(url);
    const detail = `${host}${pathname} answered ${status}`;
    return { verdict: status >= 200 && status < 300 ? 'SUCCESSFUL' : 'FAILED', detail };
  } catch (thrown) {
    return { verdict: 'ERROR', detail: messageOf(thrown).slice(0, 500) };
  }
}

/** Whether an address is one of the allowed ones, or below it. */
export function isAllowed(url: string, allowed: readonly string[]): boolean {
  const asked = new URL(url);
  if (asked.username !== '' || asked.password !== '') return false;
  return allowed.some((each) => {
    const { origin, pathname } = new URL(each);
    const folder = pathname.endsWith('/') ? pathname : `${pathname}/`;
    return asked.origin === origin && (asked.pathname === pathname || asked.pathname.startsWith(folder));
  });
}
