import { messageOf } from '@starling/shared/errors.ts';

/** What OpenSSL says of a certificate whose authority this machine does not know. */
const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Why a call over the network failed, in words; `fetch` hides it behind "fetch failed". */
export function whyNotReached(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  const why = cause === undefined ? messageOf(thrown) : `${messageOf(thrown)}: ${messageOf(cause)}`;
  const { code } = (cause ?? thrown ?? {}) as { code?: unknown };
  if (!unknownAuthority.has(String(code))) return why;
  return `${why} (this machine does not know who signed the hub's certificate; NODE_EXTRA_CA_CERTS names a file with your own authority)`;
}
