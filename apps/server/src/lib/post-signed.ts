import { createHmac } from 'node:crypto';
import { callHttp, type HttpAnswer } from './call-http.ts';

// How Starling calls webhooks: those of alerts and those of deployment tasks.

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

/**
 * POSTs JSON. The signature is `X-Starling-Signature: t=<seconds>,sha256=<hex>`, the HMAC-SHA-256 of
 * `<seconds>.<body>`: with the time in it, an old request cannot be sent again. Redirects are not followed: the answer is
 * what the given address says. Throws UNAVAILABLE when there is no answer, FORBIDDEN for an address of link-local.
 */
export function postSigned(post: SignedPost): Promise<HttpAnswer> {
  const { url, secret, deliveryId, nowMs, signal, timeoutMs = 10_000, mostAnswerBytes = 16 * 1024 } = post;
  const body = Buffer.from(JSON.stringify(post.body));
  const seconds = Math.floor(nowMs / 1_000);
  const headers: Record<string, string | number> = {
    'content-type': 'application/json',
    'content-length': body.length,
    'x-starling-delivery': deliveryId,
  };
  if (secret !== undefined) headers['x-starling-signature'] = signatureOf(seconds, body, secret);
  return callHttp({ url, method: 'POST', headers, body, signal, timeoutMs, mostAnswerBytes });
}

/** The value of `X-Starling-Signature` for a body sent at `seconds` since the epoch. */
export function signatureOf(seconds: number, body: Buffer | string, secret: string): string {
  const digest = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex');
  return `t=${seconds},sha256=${digest}`;
}
