import { rm, writeFile } from 'node:fs/promises';
import { identityPath, readIdentity } from '@starling/host/kept-identity.ts';
import type { IdentityKind } from '@starling/shared/permissions.ts';
import { TRPCClientError } from '@trpc/client';
import type { ApiClient } from './api-client.ts';

export interface NewProcess {
  kind: IdentityKind;
  name: string;
  /** Undefined for a worker. */
  region?: string;
  dataFolder: string;
  /** Where its token is put; only its owner can read it. */
  tokenFile: string;
}

/**
 * What a process needs in its environment to become known: a token of its own, made through the API as an administrator
 * would. Nothing for one that is known already.
 */
export async function enrolmentFor(api: ApiClient, process: NewProcess): Promise<Record<string, string>> {
  const { kind, name, region, dataFolder, tokenFile } = process;
  const kept = await readIdentity(identityPath(dataFolder, kind, name));
  if (kept?.proof) {
    await rm(tokenFile, { force: true });
    return {};
  }
  // Its folder was thrown away: whoever had the name before is gone.
  if (!kept) await api.identities.revoke.mutate({ kind, name }).catch(ignoreNotFound);
  const { token } = await api.identities.invite.mutate({
    kind,
    ...(region !== undefined && { region }),
    expiresInHours: 1,
  });
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  return { STARLING_ENROLMENT_TOKEN_FILE: tokenFile };
}

function ignoreNotFound(thrown: unknown): void {
  const data = thrown instanceof TRPCClientError ? (thrown.data as { starlingCode?: string } | null) : null;
  if (data?.starlingCode !== 'NOT_FOUND') throw thrown;
}
