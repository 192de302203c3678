import { systemClock } from '@starling/shared/clock.ts';
import { isReadableOnTheWay } from '@starling/shared/loopback.ts';
import { openBlobStore } from './blobs/open-store.ts';
import type { HubConfig } from './config.ts';
import { connect, disconnect } from './db/connect.ts';
import { startHub } from './hub/hub.ts';
import { controlAt } from './hub-control.ts';
import { ownIdentity } from './identities/own-identity.ts';
import { createLogger } from './lib/log.ts';
import { sayReady, untilStopped } from './lib/process-life.ts';
import { fingerprintOf, readTls } from './lib/tls.ts';
import { openVersionKeys } from './version-keys/open-version-keys.ts';

/** The hub role: one region's server for its agents. */
export async function runHub(config: HubConfig): Promise<void> {
  const log = createLogger(config.STARLING_HUB, config.STARLING_LOG_LEVEL);
  const clock = systemClock;
  const region = config.STARLING_REGION;
  const database = config.DATABASE_URL
    ? connect(config.DATABASE_URL, { applicationName: config.STARLING_HUB, maxConnections: 2 })
    : undefined;
  const keys = openVersionKeys(
    {
      clusters: config.STARLING_VERSION_KEYS && new Map([[region, config.STARLING_VERSION_KEYS]]),
      username: config.STARLING_ETCD_USER,
      password: config.STARLING_ETCD_PASSWORD_FILE,
      database,
    },
    clock,
    log,
  );
  const secret = await ownIdentity({
    kind: 'hub',
    name: config.STARLING_HUB,
    region,
    dataDir: config.STARLING_DATA,
    controlUrl: config.STARLING_CONTROL_URL,
    tokenFile: config.STARLING_ENROLMENT_TOKEN_FILE,
    clock,
    log,
  });
  const { STARLING_TLS_CERT_FILE: certFile, STARLING_TLS_KEY_FILE: keyFile, STARLING_BEHIND_PROXY: proxies } = config;
  const tls = certFile && keyFile ? { certFile, keyFile } : undefined;
  if (isReadableOnTheWay(config.STARLING_CONTROL_URL))
    log.warn('control is spoken to in plain HTTP: whoever reads along on this network can act as this hub');
  if (tls) log.info(`certificate: ${fingerprintOf(readTls(tls).cert)}`);
  const hub = await startHub({
    name: config.STARLING_HUB,
    region,
    dataDir: config.STARLING_DATA,
    listen: { host: config.STARLING_HOST, port: config.STARLING_PORT },
    ...(tls && { tls }),
    ...(proxies && { proxies }),
    swarm: {
      host: config.STARLING_SWARM_HOST,
      port: config.STARLING_SWARM_PORT,
      encryption: config.STARLING_SWARM_ENCRYPTION,
      upload: config.STARLING_SWARM_UPLOAD,
      rackDownload: config.STARLING_RACK_DOWNLOAD,
    },
    trusted: {
      manifests: config.STARLING_MANIFEST_PUBLIC_KEYS,
      versionKeys: config.STARLING_VERSION_PUBLIC_KEYS,
      agentCredentials: config.STARLING_IDENTITY_PUBLIC_KEYS,
    },
    keptBytes: config.STARLING_SHELF_BUDGET,
    keys: {
      list: () => keys.list(region),
      watch: (onKey, signal, onTrouble) => keys.watch(region, onKey, signal, onTrouble),
    },
    blobs: openBlobStore(config.STARLING_BLOBS),
    control: controlAt(config.STARLING_CONTROL_URL, secret, clock),
    clock,
    log,
  });
  sayReady({ url: hub.url });
  untilStopped(log, async () => {
    await hub.stop();
    if (database) await disconnect(database);
  });
}
