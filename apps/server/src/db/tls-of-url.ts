import { readFileSync } from 'node:fs';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';

/** How a connection is encrypted: TLS options, `prefer` (where the server can), or not at all. */
export type TlsChoice = ConnectionOptions | 'prefer' | false;

const modes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

/**
 * What a database URL says about TLS, in libpq's words: `sslmode`, `sslrootcert` (a file of authorities, or `system`),
 * `sslcert` and `sslkey` (files of our own certificate). The driver knows only some of them, so they are taken out of
 * `url`. As with libpq, `require` encrypts without asking whom it talks to, unless there is an `sslrootcert`.
 * INVALID_INPUT when a word is unknown or a file cannot be read.
 */
export function takeTls(url: URL, variable: string): TlsChoice {
  const take = (name: string) => {
    const value = url.searchParams.get(name);
    url.searchParams.delete(name);
    return value;
  };
  const [given, root, cert, key] = [take('sslmode'), take('sslrootcert'), take('sslcert'), take('sslkey')];
  const mode = given ?? (root === null ? 'disable' : 'verify-full');
  const bad = (why: string, fix: string, cause?: unknown) =>
    new StarlingError('INVALID_INPUT', `${variable}: ${why}`, { field: variable, fix, cause });
  if (!modes.includes(mode)) throw bad(`sslmode is "${mode}"`, `Use one of: ${modes.join(', ')}.`);
  if ((cert === null) !== (key === null)) throw bad('sslcert and sslkey belong together', 'Give both, or neither.');
  const read = (name: string, path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      throw bad(`${name} cannot be read: ${messageOf(cause)}`, 'Give the path of a PEM file.', cause);
    }
  };
  if (mode === 'disable') return false;
  if (mode === 'prefer') return 'prefer';
  const authorities = root === null || root === 'system' ? undefined : read('sslrootcert', root);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    minVersion: 'TLSv1.2',
    ...(authorities !== undefined && { ca: authorities }),
    ...(cert !== null && key !== null && { cert: read('sslcert', cert), key: read('sslkey', key) }),
    rejectUnauthorized: mode.startsWith('verify-') || root !== null,
    // The driver hands a socket over, from which Node cannot tell what an address was that is no name.
    checkServerIdentity: (_name, certificate) =>
      mode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
}
