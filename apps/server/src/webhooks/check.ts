import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

// Whether a request comes from who has the project's secret, and is not one that came before. The id under which it is
// recorded is made of what was signed where that is possible: GitHub's own delivery id is not covered by its signature,
// so an old request could be sent again under a new one.

export const webhookSources = ['github', 'gitlab', 'git'] as const;
export type WebhookSource = (typeof webhookSources)[number];

export interface WebhookRequest {
  source: WebhookSource;
  /** By name in lower case. */
  headers: Record<string, string | string[] | undefined>;
  /** As it came. */
  body: Buffer;
}

export type Checked = { accepted: true; deliveryId: string } | { accepted: false; why: string };

/** How far the time in a signature may be from ours. */
const tolerableMs = 5 * 60_000;
const refused: Checked = { accepted: false, why: 'the signature is missing or wrong' };

/** All comparisons take the same time whatever they compare. */
export function checkRequest(request: WebhookRequest, secret: string, nowMs: number): Checked {
  if (request.source === 'github') return checkGitHub(request, secret);
  if (request.source === 'gitlab') return checkGitLab(request, secret, nowMs);
  return checkPlain(request, secret, nowMs);
}

/** `X-Hub-Signature-256: sha256=<hex>` over the body. */
function checkGitHub({ headers, body }: WebhookRequest, secret: string): Checked {
  const given = textOf(headers['x-hub-signature-256']);
  if (!same(given, `sha256=${hmac(secret, body).toString('hex')}`)) return refused;
  return { accepted: true, deliveryId: digestOf(body) };
}

/**
 * GitLab signs as the Standard Webhooks specification says when it was given a signing token; otherwise it sends the
 * secret itself. Then there is nothing to tell an old request by but the id that GitLab gives it.
 */
function checkGitLab({ headers, body }: WebhookRequest, secret: string, nowMs: number): Checked {
  const signatures = textOf(headers['webhook-signature']);
  if (signatures !== '') {
    const [id, time] = [textOf(headers['webhook-id']), textOf(headers['webhook-timestamp'])];
    const signed = Buffer.concat([Buffer.from(`${id}.${time}.`), body]);
    // The key is what follows the prefix, decoded; a sender that takes the secret as it is means the same.
    const keys = [Buffer.from(secret.replace(/^whsec_/, ''), 'base64'), secret];
    const right = keys.map((key) => `v1,${hmac(key, signed).toString('base64')}`);
    const found = signatures
      .split(' ')
      .slice(0, 10)
      .filter((given) => right.filter((one) => same(given, one)).length > 0);
    if (found.length === 0) return refused;
    return timely(Number(time), nowMs) ?? { accepted: true, deliveryId: digestOf(id) };
  }
  if (!same(textOf(headers['x-gitlab-token']), secret)) return refused;
  const id = textOf(headers['idempotency-key']) || textOf(headers['x-gitlab-event-uuid']);
  return { accepted: true, deliveryId: digestOf(id === '' ? body : id) };
}

/** `X-Starling-Signature: t=<seconds>,sha256=<hex>` over `<seconds>.<body>`, as Starling signs its own webhooks. */
function checkPlain({ headers, body }: WebhookRequest, secret: string, nowMs: number): Checked {
  const given = textOf(headers['x-starling-signature']);
  const seconds = /^t=(\d{1,15}),/.exec(given)?.[1] ?? '';
  const signed = Buffer.concat([Buffer.from(`${seconds}.`), body]);
  if (!same(given, `t=${seconds},sha256=${hmac(secret, signed).toString('hex')}`)) return refused;
  return timely(Number(seconds), nowMs) ?? { accepted: true, deliveryId: digestOf(signed) };
}

function timely(seconds: number, nowMs: number): Checked | undefined {
  if (Math.abs(nowMs - seconds * 1_000) <= tolerableMs) return undefined;
  return { accepted: false, why: 'it was signed more than 5 minutes ago, or the clocks differ by as much' };
}

const hmac = (key: string | Buffer, data: Buffer) => createHmac('sha256', key).update(data).digest();
const digestOf = (data: Buffer | string) => createHash('sha256').update(data).digest('hex').slice(0, 32);
const textOf = (header: string | string[] | undefined) => (typeof header === 'string' ? header : '');

/** Compares digests, so that not even a difference in length shows in the time it takes. */
function same(given: string, right: string): boolean {
  const [a, b] = [given, right].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(a!, b!) && given !== '';
}
