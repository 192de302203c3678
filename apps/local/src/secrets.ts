import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSigningKey } from '@starling/shared/signing.ts';

/** Files with the keys and tokens of this Starling, made once. Only their owner can read them. */
export interface Secrets {
  manifestKey: string;
  manifestPublicKey: string;
  versionKey: string;
  versionPublicKey: string;
  identityKey: string;
  identityPublicKey: string;
  adminToken: string;
  webhookSecret: string;
}

export async function prepareSecrets(folder: string): Promise<Secrets> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const file = (name: string) => join(folder, name);
  const secrets: Secrets = {
    manifestKey: file('manifest.key'),
    manifestPublicKey: file('manifest.pub'),
    versionKey: file('version.key'),
    versionPublicKey: file('version.pub'),
    identityKey: file('identity.key'),
    identityPublicKey: file('identity.pub'),
    adminToken: file('admin.token'),
    webhookSecret: file('webhook.secret'),
  };
  for (const [privateFile, publicFile] of [
    [secrets.manifestKey, secrets.manifestPublicKey],
    [secrets.versionKey, secrets.versionPublicKey],
    [secrets.identityKey, secrets.identityPublicKey],
  ] as const) {
    // The public half is written first: a kill between the two leaves no private key without it.
    if (await isThere(privateFile)) continue;
    const { privatePem, publicPem } = generateSigningKey();
    await writeFile(publicFile, publicPem, { mode: 0o600 });
    await writeFile(privateFile, privatePem, { mode: 0o600 });
  }
  for (const tokenFile of [secrets.adminToken, secrets.webhookSecret]) {
    if (await isThere(tokenFile)) continue;
    await writeFile(tokenFile, `stl_${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  }
  return secrets;
}

async function isThere(path: string): Promise<boolean> {
  return readFile(path, 'utf8').then(
    (text) => text.trim() !== '',
    () => false,
  );
}
