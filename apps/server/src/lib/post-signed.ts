import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { StarlingError } from '@starling/shared/errors.ts';

// How Starling calls webhooks: those of alerts and those of deployment tasks.

/** Where clouds keep their metadata and its credentials: no webhook of ours ever has a reason to ask there. */
const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');

export interface SignedPost {
  url: string;
  body: unknown;
  /** Signs time and body; without one the request is not signed. */
  secret: string | undefined;
  /** The same for every try, so that the receiver can tell a repetition. */
  deliveryId: string;
  /** Milliseconds since the epoch. */
  nowMs: number;
  signal: AbortSignal;
  timeoutMs?: number;
  /** The most of the answer that is read, in bytes. */
  mostAnswerBytes?: number;
}

export interface PostAnswer {
  status: number;
  /** The beginning of what was answered. */
  text: string;
}

/**
 * POSTs JSON. The signature is `X-Starling-Signature: t=<seconds>,sha256=<hex>`, the HMAC-SHA-256 of
 * `<seconds>.<body>`: with the time in it, an old request cannot be sent again. Redirects are not followed: the answer is
 * what the given address says. Throws UNAVAILABLE when there is no answer, FORBIDDEN for an address of link-local.
 */
export function postSigned(post: SignedPost): Promise<PostAnswer> {
  const { url, secret, deliveryId, nowMs, signal, timeoutMs = 10_000, mostAnswerBytes = 16 * 1024 } = post;
  const target = new URL(url);
  const body = Buffer.from(JSON.stringify(post.body));
  const seconds = Math.floor(nowMs / 1_000);
  const headers: Record<string, string | number> = {
    'content-type': 'application/json',
    'content-length': body.length,
    'user-agent': 'Starling',
    'x-starling-delivery': deliveryId,
  };
  if (secret !== undefined) headers['x-starling-signature'] = signatureOf(seconds, body, secret);
  const options: RequestOptions = {
    method: 'POST',
    headers,
    lookup: lookupAllowed,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    agent: false,
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
        resolve({ status: response.statusCode ?? 0, text });
      };
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes >= mostAnswerBytes) done();
      });
      response.on('end', done);
      response.on('error', (thrown) => reject(unreachable(target, thrown)));
    });
    request.on('error', (thrown) => reject(thrown instanceof StarlingError ? thrown : unreachable(target, thrown)));
    request.end(body);
  });
}

/** The value of `X-Starling-Signature` for a body sent at `seconds` since the epoch. */
export function signatureOf(seconds: number, body: Buffer | string, secret: string): string {
  const digest = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex');
  return `t=${seconds},sha256=${digest}`;
}

function isForbidden(address: string): boolean {
  return forbidden.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function refusal(address: string): StarlingError {
  return new StarlingError('FORBIDDEN', `${address} is a link-local address, which webhooks may not call`, {
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
