import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { signatureOf } from '../lib/post-signed.ts';
import { checkRequest, type WebhookSource } from './check.ts';
import { webhookSecret } from './secret.ts';

const secret = webhookSecret('m'.repeat(32), 'shop', 1);
const nowMs = 1_800_000_000_000;
const body = Buffer.from('{"a":1}');
const check = (source: WebhookSource, headers: Record<string, string>, at = nowMs, bytes = body) =>
  checkRequest({ source, headers, body: bytes }, secret, at);
const hex = (key: string, data: string | Buffer) => createHmac('sha256', key).update(data).digest('hex');

describe("a project's secret", () => {
  it('is the same every time, and another one for another project, generation or master secret', () => {
    const others = [
      webhookSecret('m'.repeat(32), 'shop', 1),
      webhookSecret('m'.repeat(32), 'shop', 2),
      webhookSecret('m'.repeat(32), 'books', 1),
      webhookSecret('n'.repeat(32), 'shop', 1),
    ];
    expect(others[0]).toBe(secret);
    expect(new Set(others).size).toBe(4);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  });
});

describe('GitHub', () => {
  const signed = (by: string, data = body) => ({ 'x-hub-signature-256': `sha256=${hex(by, data)}` });

  it('accepts what is signed with the secret, and knows the body again under any delivery id', () => {
    const first = check('github', { ...signed(secret), 'x-github-delivery': 'one' });
    expect(first).toMatchObject({ accepted: true });
    expect(check('github', { ...signed(secret), 'x-github-delivery': 'two' })).toEqual(first);
  });

  it.each([
    ['no signature', {}],
    ['an empty one', { 'x-hub-signature-256': '' }],
    ['another secret', signed('another')],
    ['another body', signed(secret, Buffer.from('{"a":2}'))],
    ['the old algorithm', { 'x-hub-signature': `sha1=${createHmac('sha1', secret).update(body).digest('hex')}` }],
  ])('refuses %s', (_, headers) => {
    expect(check('github', headers)).toMatchObject({ accepted: false });
  });
});

describe('GitLab', () => {
  const time = String(nowMs / 1_000);
  const signed = (key: string | Buffer, id = 'msg_1', at = time) => ({
    'webhook-id': id,
    'webhook-timestamp': at,
    'webhook-signature': `v1,AAAA v1,${createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest('base64')}`,
  });
  const decoded = Buffer.from(secret.slice('whsec_'.length), 'base64');

  it('accepts the secret token, and tells deliveries apart by its id', () => {
    const [one, again, two] = ['1', '1', '2'].map((id) =>
      check('gitlab', { 'x-gitlab-token': secret, 'idempotency-key': id }),
    );
    expect(one).toMatchObject({ accepted: true });
    expect(again).toEqual(one);
    expect(two).not.toEqual(one);
    expect(check('gitlab', { 'x-gitlab-token': `${secret}x` })).toMatchObject({ accepted: false });
    expect(check('gitlab', {})).toMatchObject({ accepted: false });
  });

  it('accepts a signature of the Standard Webhooks kind, with the key decoded or as it is', () => {
    expect(check('gitlab', signed(decoded))).toMatchObject({ accepted: true });
    expect(check('gitlab', signed(secret))).toMatchObject({ accepted: true });
  });

  it('refuses a wrong signature even beside the right token, and an old one', () => {
    expect(check('gitlab', { ...signed('other'), 'x-gitlab-token': secret })).toMatchObject({ accepted: false });
    expect(check('gitlab', signed(decoded), nowMs + 6 * 60_000)).toMatchObject({
      accepted: false,
      why: expect.stringContaining('5 minutes'),
    });
  });
});

describe('plain git', () => {
  const signed = (at = nowMs, by = secret) => ({ 'x-starling-signature': signatureOf(at / 1_000, body, by) });

  it('accepts what is signed as Starling itself signs', () => {
    expect(check('git', signed())).toMatchObject({ accepted: true });
    expect(check('git', signed(nowMs - 4 * 60_000))).toMatchObject({ accepted: true });
  });

  it.each([
    ['what is older than five minutes', signed(nowMs - 301_000)],
    ['what comes from the future', signed(nowMs + 301_000)],
    ['another secret', signed(nowMs, 'other')],
    ['a time that was not signed', { 'x-starling-signature': signed()['x-starling-signature'] }],
    ['nonsense', { 'x-starling-signature': 't=,sha256=' }],
  ])('refuses %s', (what, headers) => {
    const given = what.startsWith('a time')
      ? { 'x-starling-signature': headers['x-starling-signature'].replace(/^t=\d+/, `t=${nowMs / 1_000 + 60}`) }
      : headers;
    expect(check('git', given)).toMatchObject({ accepted: false });
  });
});
