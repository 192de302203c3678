import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { bad, type Finding, good, warn } from '@starling/shared/findings.ts';
import { type DocumentKind, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { verifyMail } from './alerts/senders.ts';
import { openBlobStore } from './blobs/open-store.ts';
import {
  type ControlConfig,
  type HubConfig,
  type RoleName,
  readConfig,
  rolesOf,
  secretFiles,
  type WorkerConfig,
} from './config.ts';
import { connect, type Database, disconnect } from './db/connect.ts';
import { replicaReader } from './db/reader.ts';
import { certificateCheck, outsideChecks, versionKeysCheck } from './doctor/control-checks.ts';
import { databaseCheck } from './doctor/database-check.ts';
import { enrolledCheck } from './doctor/enrolled-check.ts';
import { folderCheck, gitCheck, keyCheck, listenCheck, secretFilesCheck } from './doctor/host-checks.ts';
import { newReplicaCheck } from './doctor/replica-check.ts';
import { type Check, runChecks } from './doctor/run-checks.ts';
import { readOnlyStoreCheck, storeCheck } from './doctor/store-check.ts';
import { createLogger } from './lib/log.ts';
import { readTls } from './lib/tls.ts';
import { openVersionKeys } from './version-keys/open-version-keys.ts';

const log = createLogger('doctor', 'silent');
const clock = systemClock;

/**
 * What would keep a server of these roles (by default those that the environment is for) from its work, found out without
 * starting it: its configuration, files and host, and each part it needs. Leaves nothing behind. `environment` is that of
 * this process when it is not given.
 */
export async function examine(
  given: readonly RoleName[] = [],
  environment?: Record<string, string>,
): Promise<Finding[]> {
  const roles = given.length > 0 ? given : rolesOf(environment);
  if (roles.length === 0) {
    const fix = 'Name a role: main.ts doctor control|worker|hub. docs/reference/configuration.md lists the variables.';
    return [bad('configuration', 'Nothing in the environment says what this server is to be.', fix)];
  }
  const databases: Database[] = [];
  const open = (url: string) => {
    const database = connect(url, { applicationName: 'starling-doctor', maxConnections: 2 });
    databases.push(database);
    return database;
  };
  const checksOf = {
    control: () => ofControl(readConfig('control', environment), open),
    worker: () => ofWorker(readConfig('worker', environment), open),
    hub: () => ofHub(readConfig('hub', environment), open),
  };
  const findings: Finding[] = [];
  const checks: Check[] = [secretFilesCheck(secretFiles(environment))];
  for (const role of roles) {
    const name = `configuration of ${role}`;
    try {
      checks.push(...checksOf[role]());
      findings.push(good(name, 'complete'));
    } catch (thrown) {
      const fix = (thrown instanceof StarlingError && thrown.fix) || 'See docs/reference/configuration.md.';
      findings.push(bad(name, messageOf(thrown).replaceAll(/\s*\n\s*/g, ' '), fix));
    }
  }
  // Roles on one host share parts: each is looked at once.
  const once = new Map(checks.map((check) => [check.name, check]));
  try {
    return [...findings, ...(await runChecks([...once.values()], clock))];
  } finally {
    await Promise.all(databases.map(disconnect));
  }
}

type Open = (url: string) => Database;

function ofControl(config: ControlConfig, open: Open): Check[] {
  const database = open(config.DATABASE_URL);
  const { DATABASE_READ_URL: readUrl, STARLING_SMTP_URL: smtp } = config;
  const identityKey = config.STARLING_IDENTITY_SIGNING_KEY;
  const { STARLING_TLS_CERT_FILE: certFile, STARLING_TLS_KEY_FILE: keyFile } = config;
  const keys = openVersionKeys({ ...etcdOf(config), clusters: config.STARLING_VERSION_KEYS, database }, clock, log);
  const mail = { password: config.STARLING_SMTP_PASSWORD_FILE, from: config.STARLING_MAIL_FROM ?? '' };
  return [
    gitCheck(),
    listenCheck(config.STARLING_HOST, config.STARLING_PORT),
    ...(config.STARLING_DATA ? [folderCheck('data folder', config.STARLING_DATA)] : []),
    consoleCheck(config.STARLING_CONSOLE),
    signingKeyCheck('version signing key', 'version-key', config.STARLING_VERSION_SIGNING_KEY),
    ...(identityKey ? [signingKeyCheck('identity signing key', 'agent-credential', identityKey)] : []),
    databaseCheck(database),
    ...(readUrl ? [newReplicaCheck(() => replicaReader({ primary: database, url: readUrl, clock, log }), clock)] : []),
    ...outsideChecks({
      stores: {
        main: openBlobStore(config.STARLING_BLOBS),
        regions: new Map(config.STARLING_REGIONS.map(({ name, blobs }) => [name, openBlobStore(blobs)])),
      },
      // In PostgreSQL they are where everything is.
      countKeys: config.STARLING_VERSION_KEYS && (async (region) => (await keys.list(region)).length),
      verifyMail: smtp ? () => verifyMail({ ...mail, url: smtp }) : undefined,
      oidcIssuer: config.STARLING_OIDC_ISSUER,
      certificate: certFile && keyFile ? readTls({ certFile, keyFile }).cert : undefined,
    }),
  ];
}

function ofWorker(config: WorkerConfig, open: Open): Check[] {
  return [
    gitCheck(),
    folderCheck('data folder', config.STARLING_DATA),
    signingKeyCheck('manifest signing key', 'manifest', config.STARLING_MANIFEST_SIGNING_KEY),
    enrolledCheck('worker', {
      name: config.STARLING_WORKER,
      dataDir: config.STARLING_DATA,
      tokenFile: config.STARLING_ENROLMENT_TOKEN_FILE,
    }),
    databaseCheck(open(config.DATABASE_URL)),
    storeCheck('main', openBlobStore(config.STARLING_BLOBS)),
  ];
}

function ofHub(config: HubConfig, open: Open): Check[] {
  const { STARLING_REGION: region, STARLING_CONTROL_URL: control } = config;
  const { STARLING_VERSION_KEYS: endpoints, DATABASE_URL: url } = config;
  const { STARLING_TLS_CERT_FILE: certFile, STARLING_TLS_KEY_FILE: keyFile } = config;
  const clusters = endpoints && new Map([[region, endpoints]]);
  const keys = openVersionKeys({ ...etcdOf(config), clusters, database: url ? open(url) : undefined }, clock, log);
  return [
    listenCheck(config.STARLING_HOST, config.STARLING_PORT),
    folderCheck('data folder', config.STARLING_DATA),
    trustedKeysCheck('manifest public keys', 'manifest', config.STARLING_MANIFEST_PUBLIC_KEYS),
    trustedKeysCheck('version public keys', 'version-key', config.STARLING_VERSION_PUBLIC_KEYS),
    trustedKeysCheck('identity public keys', 'agent-credential', config.STARLING_IDENTITY_PUBLIC_KEYS),
    enrolledCheck('hub', {
      name: config.STARLING_HUB,
      dataDir: config.STARLING_DATA,
      tokenFile: config.STARLING_ENROLMENT_TOKEN_FILE,
    }),
    ...(certFile && keyFile ? [certificateCheck(readTls({ certFile, keyFile }).cert)] : []),
    versionKeysCheck(region, async () => (await keys.list(region)).length),
    readOnlyStoreCheck(region, openBlobStore(config.STARLING_BLOBS)),
    {
      name: 'control',
      fix: 'Check STARLING_CONTROL_URL and the way there. Until it answers, reports wait in the hub.',
      look: async () => {
        const response = await fetch(`${control}/healthz`, { signal: AbortSignal.timeout(8_000) });
        await response.body?.cancel();
        if (response.ok) return good('control', `${control} answers`);
        return warn('control', `${control} is not well (HTTP ${response.status}).`, 'See its log.');
      },
    },
  ];
}

const etcdOf = (config: ControlConfig | HubConfig) => ({
  username: config.STARLING_ETCD_USER,
  password: config.STARLING_ETCD_PASSWORD_FILE,
});

const signingKeyCheck = (name: string, kind: DocumentKind, pem: string) =>
  keyCheck(name, () => new Signer(kind, pem).keyId);

const trustedKeysCheck = (name: string, kind: DocumentKind, pems: readonly string[]) =>
  keyCheck(name, () => `${new TrustedKeys(kind, pems) && pems.length} of them`);

function consoleCheck(folder: string): Check {
  const name = 'console';
  const fix = 'Build it: npm run build:web --workspace @starling/desktop. The API works without.';
  const isBuilt = () => existsSync(join(folder, 'index.html'));
  return {
    name,
    fix,
    look: async () => (isBuilt() ? good(name, folder) : warn(name, `It is not in ${folder}.`, fix)),
  };
}
