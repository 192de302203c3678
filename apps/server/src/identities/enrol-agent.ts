import { type AgentCredential, hashOfAgentKey, isAgentKey } from '@starling/shared/agent-identity.ts';
import type { AgentEnrolment } from '@starling/shared/enrolment.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Signer } from '@starling/shared/signing.ts';
import type { Database } from '../db/connect.ts';
import { enrol } from './enrol.ts';

/** Makes an agent known, as `enrol` does, and signs which machine has its key. */
export async function enrolAgent(
  database: Database,
  signer: Signer | undefined,
  { token, name, region, publicKey }: AgentEnrolment,
  requestId: string,
): Promise<AgentCredential> {
  if (!signer) {
    throw new StarlingError('UNAVAILABLE', 'Control has no key to sign the credentials of agents with.', {
      fix: 'Set STARLING_IDENTITY_SIGNING_KEY on every control server.',
    });
  }
  if (!isAgentKey(publicKey)) {
    throw new StarlingError('INVALID_INPUT', 'This is no Ed25519 public key.', { field: 'publicKey' });
  }
  const credentialHash = hashOfAgentKey(publicKey);
  const { enrolledAt } = await enrol(database, { kind: 'agent', name, region, credentialHash, token, requestId });
  return signer.sign({ format: 1 as const, machine: name, region, publicKey, issuedAt: enrolledAt.getTime() });
}
