import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { type Signature, Signer, TrustedKeys } from './signing.ts';
import { machineId, regionName } from './words.ts';

// An agent is known by its key pair. Control signs, once, which machine of which region has the key (the credential);
// from then on the agent proves to any hub of the region that it holds the key, and nobody has to ask control.

const signature = z.object({ keyId: z.string().max(64), value: z.string().max(128) });

export const agentCredential = z.object({
  format: z.literal(1),
  machine: machineId,
  region: regionName,
  /** Ed25519, SPKI as DER, in base64. */
  publicKey: z.string().max(100),
  /** When it enrolled, in milliseconds since the epoch. */
  issuedAt: z.number().int(),
  signature,
});
export type AgentCredential = z.infer<typeof agentCredential>;

/** What a hub asks an agent to sign: never twice the same. */
export const agentChallenge = z.object({ hub: z.string().min(1).max(128), nonce: z.string().min(1).max(200) });
export type AgentChallenge = z.infer<typeof agentChallenge>;

/** `POST /agents/session` of a hub. */
export const sessionRequest = z.object({
  /** As it came from control: the signature covers members that this version may not know. */
  credential: z.looseObject({ machine: z.string(), publicKey: z.string() }),
  nonce: z.string().min(1).max(200),
  signature,
});
export type SessionRequest = z.infer<typeof sessionRequest>;

export const sessionAnswer = z.object({ session: z.string().min(1).max(200), expiresInMs: z.number().int() });

/** Why a hub opens no session. REVOKED is for ever; NOT_TRUSTED is mended by a new credential for the same key. */
export const sessionRefusals = ['REVOKED', 'NOT_TRUSTED', 'WRONG_REGION', 'BAD_PROOF', 'NOT_READY'] as const;
export type SessionRefusal = (typeof sessionRefusals)[number];

/** The public half of a private key (PEM, or read already), as credentials hold it. Throws when it is not an Ed25519 key. */
export function publicKeyOf(privateKey: string | KeyObject): string {
  const key = createPublicKey(typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey);
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('the key of an agent must be an Ed25519 key');
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}

/** How an agent's key is kept and named. The prefix keeps it apart from the hash of any secret. */
export const hashOfAgentKey = (publicKey: string): string =>
  createHash('sha256').update(`starling agent key\n${publicKey}`).digest('hex');

/** Whether it is the public key of an agent, spelled as `publicKeyOf` spells it. */
export const isAgentKey = (publicKey: string): boolean => keyOf(publicKey) !== undefined;

/** The credential that a candidate is, or why it is none that is trusted here. */
export function readCredential(candidate: unknown, trusted: TrustedKeys): AgentCredential | string {
  const parsed = agentCredential.safeParse(candidate);
  if (!parsed.success) return `${parsed.error.issues[0]?.path.join('.') || 'it'} is not as it must be`;
  return trusted.refusal(candidate as AgentCredential) ?? parsed.data;
}

/** The agent's answer to a challenge, with its private key (PEM, or read already). */
export function answerChallenge(
  privateKey: string | KeyObject,
  machine: string,
  { hub, nonce }: AgentChallenge,
): Signature {
  return new Signer('agent-session', privateKey).sign({ hub, nonce, machine }).signature;
}

/** Whether whoever answered the challenge holds the key of the credential. */
export function holdsKey(credential: AgentCredential, { hub, nonce }: AgentChallenge, signature: Signature): boolean {
  const key = keyOf(credential.publicKey);
  if (!key) return false;
  const trusted = new TrustedKeys('agent-session', [key]);
  return trusted.refusal({ hub, nonce, machine: credential.machine, signature }) === undefined;
}

function keyOf(publicKey: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), type: 'spki', format: 'der' });
    const isSpelledSo = key.export({ type: 'spki', format: 'der' }).toString('base64') === publicKey;
    return key.asymmetricKeyType === 'ed25519' && isSpelledSo ? key : undefined;
  } catch {
    return undefined;
  }
}
