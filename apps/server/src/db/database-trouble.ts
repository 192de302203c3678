import { StarlingError } from '@starling/shared/errors.ts';

const unreachable =
  /^(CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|E(CONNREFUSED|CONNRESET|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH|TIMEDOUT|PIPE)|57P0[123])$/;
const untrusted =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|CERT_(SIGNATURE_FAILURE|UNTRUSTED|REJECTED))$/;

/**
 * What a failure to reach PostgreSQL, or to be let in there, means to a person; undefined when it is something else. What
 * is wrapped in other errors is found too.
 */
export function databaseTrouble(thrown: unknown): StarlingError | undefined {
  const cause = innermost(thrown) as { code?: string; message?: string } | undefined;
  if (!cause) return undefined;
  const { code = '', message } = cause;
  const why = message || code;
  const trouble = (what: string, fix: string) =>
    new StarlingError('UNAVAILABLE', `PostgreSQL ${what}: ${why}`, { field: 'DATABASE_URL', fix, cause: thrown });
  if (untrusted.test(code))
    return trouble(
      'shows a certificate that no known authority has signed',
      'Name the file of its authority in the URL: sslrootcert=/path/of/ca.pem. If it already does, somebody else answers there.',
    );
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return trouble(
      'shows a certificate for another name',
      'Use the name that its certificate has, or sslmode=verify-ca where names cannot match.',
    );
  if (code === 'CERT_HAS_EXPIRED') return trouble('shows a certificate that has ended', 'Renew it.');
  if (/secure TLS connection was established|wrong version number/.test(why))
    return trouble('does not speak TLS', 'Set ssl = on in postgresql.conf, or sslmode=disable in the URL.');
  if (/no encryption/.test(why))
    return trouble('takes nobody without TLS', 'Add sslmode=verify-full (or require) to the URL.');
  if (code === '28000' || code === '28P01')
    return trouble('lets nobody in with these credentials', 'Check user and password in the URL, and pg_hba.conf.');
  if (code === '3D000') return trouble('has no such database', 'Create it: createdb -O starling starling');
  if (code === '53300') return trouble('has no connection left', 'Raise max_connections, or run fewer servers.');
  if (code === '42501')
    return trouble('forbids it', 'Make the user of the URL the owner of the database: docs/how-to/use-postgresql.md');
  if (unreachable.test(code) || (code === 'ENOENT' && why.includes('.s.PGSQL')))
    return trouble('cannot be reached', 'Check host and port in DATABASE_URL, and that it runs and listens there.');
  return undefined;
}

/** The error at the end of a chain that a query began; undefined when no query did, or it was explained already. */
function innermost(thrown: unknown): unknown {
  let inner = thrown;
  let ofQuery = false;
  for (let depth = 0; depth < 5; depth += 1) {
    if (inner instanceof StarlingError) return undefined;
    // Driver and ORM put the statement on their errors.
    ofQuery ||= inner instanceof Error && 'query' in inner;
    const { cause, errors } = (inner ?? {}) as { cause?: unknown; errors?: unknown[] };
    const next = errors?.[0] ?? cause;
    if (next === undefined || next === null) break;
    inner = next;
  }
  return ofQuery ? inner : undefined;
}
