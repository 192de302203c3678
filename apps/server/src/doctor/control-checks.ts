import { X509Certificate } from 'node:crypto';
import { bad, good, warn } from '@starling/shared/findings.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Database } from '../db/connect.ts';
import type { ReplicaState } from '../db/reader.ts';
import { databaseChecks } from './database-checks.ts';
import { replicaCheck } from './replica-check.ts';
import type { Check } from './run-checks.ts';
import { storeCheck } from './store-check.ts';

export interface ControlParts {
  database: Database;
  /** Undefined where there is none. */
  replica: () => ReplicaState | undefined;
  stores: { main: BlobStore; regions: ReadonlyMap<string, BlobStore> };
  /** How many version keys a region has; throws when its store does not answer. */
  countKeys(region: string): Promise<number>;
  /** Undefined when there is no mail server. */
  verifyMail: (() => Promise<void>) | undefined;
  oidcIssuer: string | undefined;
  /** PEM; undefined when this server does not speak TLS itself. */
  certificate: string | undefined;
}

const soonMs = 14 * 86_400_000;

/** What a control server works with. */
export function controlChecks(parts: ControlParts): Check[] {
  const { database, replica, stores, countKeys, verifyMail, oidcIssuer, certificate } = parts;
  const checks = [
    ...databaseChecks(database),
    ...replicaCheck(replica),
    storeCheck('main', stores.main),
    ...[...stores.regions].map(([region, store]) => storeCheck(region, store)),
    ...[...stores.regions.keys()].map((region): Check => {
      const name = `version keys ${region}`;
      return {
        name,
        fix: 'Check that the etcd of the region runs and lets this server in.',
        look: async () => good(name, `${await countKeys(region)} keys`),
      };
    }),
  ];
  if (verifyMail) {
    checks.push({
      name: 'mail server',
      fix: 'Check STARLING_SMTP_URL and the password.',
      look: async () => {
        await verifyMail();
        return good('mail server', 'takes our mail');
      },
    });
  }
  if (oidcIssuer) {
    checks.push({
      name: 'OpenID Connect',
      fix: 'Check STARLING_OIDC_ISSUER, and that this server reaches the provider.',
      look: async () => {
        const address = `${oidcIssuer.replace(/\/+$/, '')}/.well-known/openid-configuration`;
        const response = await fetch(address, { signal: AbortSignal.timeout(8_000) });
        const { issuer } = (await response.json()) as { issuer?: string };
        if (issuer === oidcIssuer) return good('OpenID Connect', `${issuer} answers`);
        return bad('OpenID Connect', `It calls itself ${issuer}.`, `Set STARLING_OIDC_ISSUER to ${issuer}.`);
      },
    });
  }
  if (certificate) {
    checks.push({
      name: 'certificate',
      fix: 'Check STARLING_TLS_CERT_FILE.',
      look: async () => {
        const until = new Date(new X509Certificate(certificate).validTo);
        const day = until.toISOString().slice(0, 10);
        if (until.getTime() - Date.now() > soonMs) return good('certificate', `valid until ${day}`);
        return warn('certificate', `It ends on ${day}.`, 'Renew it; the server reads the new file by itself.');
      },
    });
  }
  return checks;
}
