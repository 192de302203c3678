import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { generate } from 'selfsigned';
import type { Logger } from './log.ts';

/** The files of a certificate and its key, both PEM. */
export interface TlsFiles {
  certFile: string;
  keyFile: string;
}

export interface TlsPair {
  cert: string;
  key: string;
}

const lookAgainMs = 60_000;
const localDays = 825;
const renewBeforeMs = 30 * 86_400_000;

/** Throws INVALID_INPUT when the two cannot be read or do not belong together. */
export function readTls({ certFile, keyFile }: TlsFiles): TlsPair {
  try {
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')];
    new X509Certificate(cert);
    return { cert, key };
  } catch (thrown) {
    throw new StarlingError('INVALID_INPUT', `the certificate cannot be used: ${messageOf(thrown)}`, {
      field: 'STARLING_TLS_CERT_FILE',
      fix: 'Give a certificate with its chain and the key that belongs to it, both as PEM.',
      cause: thrown,
    });
  }
}

/** The files of a certificate that is made here, for this host and `names`, and made anew before it ends. */
export async function localCertificate(folder: string, names: readonly string[], nowMs: number): Promise<TlsFiles> {
  const files = { certFile: join(folder, 'local-tls.crt'), keyFile: join(folder, 'local-tls.key') };
  if (existsSync(files.certFile) && existsSync(files.keyFile)) {
    const until = Date.parse(new X509Certificate(readFileSync(files.certFile)).validTo);
    if (until - nowMs > renewBeforeMs) return files;
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const isAddress = (name: string) => /^[\d.]+$|:/.test(name);
  const altNames = [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...names])].map((name) =>
    isAddress(name) ? ({ type: 7, ip: name } as const) : ({ type: 2, value: name } as const),
  );
  const made = await generate([{ name: 'commonName', value: hostname() }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - 3_600_000),
    notAfterDate: new Date(nowMs + localDays * 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
    ],
  } as never);
  // The key first: a kill in between leaves no certificate without its key.
  for (const [file, text] of [
    [files.keyFile, made.private],
    [files.certFile, made.cert],
  ] as const) {
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  return files;
}

/** `SHA-256 aa:bb:…`, to compare with what a browser shows. */
export const fingerprintOf = (cert: string): string => new X509Certificate(cert).fingerprint256;

/** Takes up a certificate that was renewed on disk, without a restart. Call what it returns to stop. */
export function followTlsFiles(server: Server, files: TlsFiles, used: TlsPair, clock: Clock, log: Logger): () => void {
  const stopping = new AbortController();
  let current = used;
  const follow = async () => {
    while (!stopping.signal.aborted) {
      await clock.sleep(lookAgainMs, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        const read = readTls(files);
        if (read.cert === current.cert && read.key === current.key) continue;
        server.setSecureContext(read);
        current = read;
        log.info(`certificate renewed: ${fingerprintOf(read.cert)}`);
      } catch (thrown) {
        // Perhaps half of it is written; the old one serves until both fit.
        log.warn(`the new certificate is not taken: ${messageOf(thrown)}`);
      }
    }
  };
  void follow();
  return () => stopping.abort();
}
