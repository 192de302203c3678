import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Session } from '../session.ts';

const codeOf: Record<number, 'UNAUTHENTICATED' | 'FORBIDDEN' | 'INVALID_INPUT'> = {
  400: 'INVALID_INPUT',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
};

/**
 * Copies the audit log from the server to stdout, as long as it is: no more than stdout takes is read. Returns how many rows.
 * Fails when the server breaks off: what was written until then is not all.
 */
export async function exportAudit(session: Session, filter: Record<string, string>): Promise<number> {
  const { server, token } = await session.access();
  const url = new URL(`${server}/audit.ndjson`);
  for (const [name, value] of Object.entries(filter)) url.searchParams.set(name, value);
  const response = await fetch(url, {
    headers: token ? { authorization: `Bearer ${token}` } : {},
    signal: session.interrupted,
  }).catch((thrown: Error) => {
    throw unavailable(server, thrown);
  });
  if (!response.ok || !response.body) {
    const answer = (await response.json().catch(() => ({}))) as { message?: string };
    const message = answer.message ?? `${server} answered with HTTP ${response.status}.`;
    throw new StarlingError(codeOf[response.status] ?? 'UNAVAILABLE', message);
  }
  let rows = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (const byte of chunk) if (byte === 0x0a) rows += 1;
      done(null, chunk);
    },
  });
  await pipeline(Readable.fromWeb(response.body as never), count, session.terminal.rawOut, { end: false }).catch(
    (thrown: Error) => {
      throw unavailable(server, thrown);
    },
  );
  return rows;
}

const unavailable = (server: string, thrown: Error) =>
  new StarlingError('UNAVAILABLE', `${server} broke off: ${thrown.message}. What was written is not all.`, {
    cause: thrown,
  });
