import { X509Certificate } from 'node:crypto';
import { bad, good, warn } from '@starling/shared/findings.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Database } from '../db/connect.ts';
import type { ReplicaState } from '../db/reader.ts';
import { databaseCheck } from './database-check.ts';
import { fleetChecks } from './fleet-checks.ts';
import { replicaCheck } from './replica-check.ts';
import type { Check } from './run-checks.ts';
import { storeCheck } from './store-check.ts';

/** What a control server works with beside its database. */
export interface OutsideParts {
  stores: { main: BlobStore; regions: ReadonlyMap<string, BlobStore> };
  /** How many version keys a region has; throws when its store does not answer. Undefined to leave them out. */
  countKeys: ((region: string) => Promise<number>) | undefined;
  /** Undefined when there is no mail server. */
  verifyMail: (() => Promise<void>) | undefined;
  oidcIssuer: string | undefined;
  /** PEM; undefined when this server does not speak TLS itself. */
  certificate: string | undefined;
}

export interface ControlParts extends OutsideParts {
  database: Database;
  /** Undefined where there is none. */
  replica: () => ReplicaState | undefined;
}

const soonMs = 14 * 86_400_000;

/** What a control server works with, and what reports to it. */
export function controlChecks({ database, replica, ...parts }: ControlParts): Check[] {
  return [databaseCheck(database), ...replicaCheck(replica), ...outsideChecks(parts), ...fleetChecks(database)];
}

/** What it works with beside its database. */
export function outsideChecks({ stores, countKeys, verifyMail, oidcIssuer, certificate }: OutsideParts): Check[] {
  const checks = [
    storeCheck('main', stores.main),
    ...[...stores.regions].map(([region, store]) => storeCheck(region, store)),
    ...(countKeys ? [...stores.regions.keys()].map((region) => versionKeysCheck(region, countKeys)) : []),
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
  if (certificate) checks.push(certificateCheck(certificate));
  return checks;
}

/** Whether the certificate (PEM) that a server speaks TLS with is still good for a while. */
export function certificateCheck(certificate: string): Check {
  return {
    name: 'certificate',
    fix: 'Check STARLING_TLS_CERT_FILE.',
    look: async () => {
      const until = new Date(new X509Certificate(certificate).validTo);
      const day = until.toISOString().slice(0, 10);
      if (until.getTime() - Date.now() > soonMs) return good('certificate', `valid until ${day}`);
      return warn('certificate', `It ends on ${day}.`, 'Renew it; the server reads the new file by itself.');
    },
  };
}

/** Whether the store of a region's version keys answers. */
export function versionKeysCheck(region: string, countKeys: (region: string) => Promise<number>): Check {
  const name = `version keys ${region}`;
  return {
    name,
    fix: 'Check that the etcd of the region runs and lets this server in.',
    look: async () => good(name, `${await countKeys(region)} keys`),
  };
}
