import { z } from 'zod';

/** What a person may be told of. */
export const alertKinds = [
  'build.failed',
  'replication.late',
  'deployment.waiting',
  'deployment.failed',
  'deployment.halted',
  'deployment.stalled',
  'deployment.finished',
  'region.silent',
  'machines.silent',
  'budget.at-risk',
] as const;
export type AlertKind = (typeof alertKinds)[number];

/** Where a channel sends. Secrets in it (a webhook's address, its signing secret) are never shown again. */
export const alertTarget = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('webhook'),
    url: z.url({ protocol: /^https?$/ }).max(2_000),
    /** Signs the body (HMAC-SHA-256 in `X-Starling-Signature`). */
    secret: z.string().min(16).max(500).optional(),
  }),
  z.strictObject({ type: z.literal('slack'), url: z.url({ protocol: /^https?$/ }).max(2_000) }),
  z.strictObject({ type: z.literal('email'), to: z.array(z.email()).min(1).max(20) }),
]);
export type AlertTarget = z.infer<typeof alertTarget>;
