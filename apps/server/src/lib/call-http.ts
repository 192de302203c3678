import { lookup } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { StarlingError } from '@starling/shared/errors.ts';

// How Starling calls addresses that people gave it: webhooks, and what the checks of rollouts ask.

/** Where clouds keep their metadata and its credentials: no webhook of ours ever has a reason to ask there. */
const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');

export interface HttpCall {
  url: string | URL;
  method: 'GET' | 'POST';
  headers: Record<string, string | number>;
  body?: Buffer;
  signal: AbortSignal;
  timeoutMs: number;
  /** The most of the answer that is read, in bytes. */
  mostAnswerBytes: number;
}

export interface HttpAnswer {
  status: number;
  /** The beginning of what was answered. */
  text: string;
  /** Whether there was more of it. */
  isCut: boolean;
}

/**
 * Calls an address once. Redirects are not followed: the answer is what the given address says. Throws UNAVAILABLE when there
 * is no answer, FORBIDDEN for an address of link-local.
 */
export function callHttp({
  url,
  method,
  headers,
  body,
  signal,
  timeoutMs,
  mostAnswerBytes,
}: HttpCall): Promise<HttpAnswer> {
  const target = new URL(url);
  const options = {
    method,
    headers: { ...headers, 'user-agent': 'Starling' },
    lookup: lookupAllowed,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    agent: false as const,
  };
  const host = target.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) && isForbidden(host)) return Promise.reject(refusal(host));
  return new Promise((resolve, reject) => {
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(target, options, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      const done = () => {
        response.destroy();
        const text = Buffer.concat(pieces).subarray(0, mostAnswerBytes).toString('utf8');
        resolve({ status: response.statusCode ?? 0, text, isCut: bytes > mostAnswerBytes });
      };
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > mostAnswerBytes) done();
      });
      response.on('end', done);
      response.on('error', (thrown) => reject(unreachable(target, thrown)));
    });
    request.on('error', (thrown) => reject(thrown instanceof StarlingError ? thrown : unreachable(target, thrown)));
    request.end(body);
  });
}

function isForbidden(address: string): boolean {
  return forbidden.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function refusal(address: string): StarlingError {
  return new StarlingError('FORBIDDEN', `${address} is a link-local address, which Starling does not call`, {
    field: 'url',
    fix: 'Give the address of the service itself.',
  });
}

function unreachable(target: URL, thrown: Error): StarlingError {
  const timedOut = thrown.name === 'TimeoutError' || thrown.name === 'AbortError';
  // Only the host: the rest of a webhook's address may be its secret.
  const why = timedOut ? 'did not answer in time' : `could not be reached: ${thrown.message}`;
  return new StarlingError('UNAVAILABLE', `${target.host} ${why}`, { cause: thrown });
}

/** Judges the address that is really connected to, so that a name cannot lead astray after it was checked. */
const lookupAllowed: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, options, (error, found, family) => {
    const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address);
    const wrong = addresses.find(isForbidden);
    if (error ?? wrong) callback(error ?? refusal(wrong as string), '', 0);
    else callback(null, found, family);
  });
};
