import { z } from 'zod';
import { machineId, regionName, sha256Hex } from './words.ts';

// How a hub, worker or agent becomes known: it shows an enrolment token that a person made, and what will identify it
// from then on. A hub or worker sends the SHA-256 of a secret that it made itself (`POST /enrol` of control), an agent
// its public key (`POST /enrol` of its hub). Said again with the same, it succeeds without another use of the token.

/** The most processes that one enrolment token lets in. */
export const mostUses = 100_000;

const base = {
  /** Needed the first time only: a process that is known already is told so again. */
  token: z.string().min(1).max(200).optional(),
  name: machineId,
};

/** Of a process that keeps a secret; its region is null when it has none. */
export const serverEnrolment = z.strictObject({
  ...base,
  kind: z.enum(['hub', 'worker']),
  region: regionName.nullable(),
  /** SHA-256 of the secret. */
  credentialHash: sha256Hex,
});
export type ServerEnrolment = z.infer<typeof serverEnrolment>;

export const agentEnrolment = z.strictObject({
  ...base,
  region: regionName,
  /** Ed25519, SPKI as DER, in base64. */
  publicKey: z.string().regex(/^[A-Za-z0-9+/]{58,60}={0,2}$/, 'a public key is base64 of the DER of an Ed25519 key'),
});
export type AgentEnrolment = z.infer<typeof agentEnrolment>;

/** What is answered to either when it is refused, with a status that is not 2xx. */
export const enrolmentRefusal = z.object({
  code: z.string().max(64).optional(),
  message: z.string().max(2_000),
  fix: z.string().max(2_000).nullable().optional(),
});
