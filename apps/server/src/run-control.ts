import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { Signer } from '@starling/shared/signing.ts';
import { sql } from 'drizzle-orm';
import { openIdSignIn } from './accounts/openid.ts';
import { grantToken } from './accounts/tokens.ts';
import { startAlerter } from './alerts/alerter.ts';
import { defaultAlertLimits } from './alerts/conditions.ts';
import { alertSender, verifyMail } from './alerts/senders.ts';
import { startAnalyst } from './analysis/analyst.ts';
import { analysis } from './analysis/verdict.ts';
import { openChangeFeed } from './api/change-feed.ts';
import { startApiServer } from './api/server.ts';
import { whyNotNow } from './api/start-deployment.ts';
import { openBlobStore } from './blobs/open-store.ts';
import { resolveRef } from './builder/resolve-ref.ts';
import type { ControlConfig } from './config.ts';
import type { Topic } from './db/changes.ts';
import { connect, type Database, disconnect } from './db/connect.ts';
import { standForLeader, type Term } from './db/leader.ts';
import { migrateToLatest } from './db/migrate.ts';
import { primaryReader, replicaReader } from './db/reader.ts';
import { controlChecks } from './doctor/control-checks.ts';
import { Forecaster } from './forecast/forecaster.ts';
import { startForecastRecorder } from './forecast/recorder.ts';
import { startGatekeeper } from './gates/gatekeeper.ts';
import { forgetEnded } from './jobs/open-jobs.ts';
import { failOverdue, failUnclaimed, requeueStale } from './jobs/requeue-stale.ts';
import { createLogger } from './lib/log.ts';
import type { Loop } from './lib/loop.ts';
import { sayReady, untilStopped } from './lib/process-life.ts';
import { fingerprintOf, localCertificate, readTls, type TlsFiles } from './lib/tls.ts';
import { openMetrics } from './metrics/metrics.ts';
import { startMonitor } from './monitor/monitor.ts';
import { configureRegions } from './regions/configure-regions.ts';
import { buildsAtOnce, startNightSweep } from './retention/night-sweep.ts';
import { sweep } from './retention/sweep.ts';
import { reviewCommit } from './review/review-commit.ts';
import { startRolloutController } from './rollouts/controller.ts';
import { defaultPolicy } from './rollouts/decide.ts';
import { deploymentRows } from './rollouts/deployment-rows.ts';
import { replicaRows } from './synchronizer/replica-rows.ts';
import { startSynchronizer } from './synchronizer/synchronizer.ts';
import { afterTasks } from './tasks/after-tasks.ts';
import { startTaskControl } from './tasks/run-webhook-tasks.ts';
import { serverVersion } from './version.ts';
import { openVersionKeys } from './version-keys/open-version-keys.ts';

const rolloutsEveryMs = 2_000;
const gatesEveryMs = 5_000;
const analysisEveryMs = 1_000;
const forecastsEveryMs = 5_000;
const providerOf = (baseUrl: string, token: string | undefined) => (token ? { baseUrl, token } : undefined);
/** A server that is stopped within a transaction must not keep another one from taking over. */
const idleInTransactionMs = 5_000;

/** The control role: the API and console, and the loops that this server leads. */
export async function runControl(config: ControlConfig): Promise<void> {
  const log = createLogger('control', config.STARLING_LOG_LEVEL);
  const clock = systemClock;
  await migrateToLatest(config.DATABASE_URL);
  const database = connect(config.DATABASE_URL, {
    applicationName: 'starling-control',
    maxConnections: 20,
    idleInTransactionMs,
  });
  const leases = connect(config.DATABASE_URL, { applicationName: 'starling-leader', maxConnections: 4 });
  const regions = config.STARLING_REGIONS.map(({ name }) => name);
  await configureRegions(database, regions);
  if (config.STARLING_ADMIN_TOKEN_FILE) await grantToken(database, 'admin', 'admin', config.STARLING_ADMIN_TOKEN_FILE);

  const keysChoice = {
    clusters: config.STARLING_VERSION_KEYS,
    username: config.STARLING_ETCD_USER,
    password: config.STARLING_ETCD_PASSWORD_FILE,
    database,
  };
  const versionKeys = openVersionKeys(keysChoice, clock, log);
  const changes = await openChangeFeed(database);
  const reader = config.DATABASE_READ_URL
    ? replicaReader({ primary: database, url: config.DATABASE_READ_URL, clock, log })
    : primaryReader(database);
  // Before anyone else is told: what they read then must contain it.
  changes.subscribe(() => reader.changed());
  const mail = config.STARLING_SMTP_URL && {
    url: config.STARLING_SMTP_URL,
    password: config.STARLING_SMTP_PASSWORD_FILE,
    from: config.STARLING_MAIL_FROM ?? '',
  };
  const sendAlert = alertSender(mail || undefined);
  const stores = {
    main: openBlobStore(config.STARLING_BLOBS),
    regions: new Map(config.STARLING_REGIONS.map(({ name, blobs }) => [name, openBlobStore(blobs)])),
  };
  const forecaster = new Forecaster(stores.main);
  /** Runs a loop where this server leads it, woken by changes of its topics whichever server or worker made them. */
  const led = (name: string, topics: Topic[], start: (term: Term) => Pick<Loop, 'nudge' | 'stop'>) => {
    let loop: Pick<Loop, 'nudge' | 'stop'> | undefined;
    const unsubscribe = changes.subscribe((topic) => {
      if (topics.includes(topic)) loop?.nudge();
    });
    const candidacy = standForLeader({
      leases,
      database,
      name,
      server: config.STARLING_SERVER,
      clock,
      log,
      lead: (term) => {
        loop = start(term);
        return loop;
      },
    });
    return async () => {
      unsubscribe();
      await candidacy.stop();
    };
  };
  const stopLoops = [
    led('monitor', [], ({ database }) =>
      startMonitor({
        jobs: {
          requeueStale: (staleMs) => requeueStale(database, staleMs),
          failOverdue: () => failOverdue(database),
          failUnclaimed: (maxWaitMs) => failUnclaimed(database, maxWaitMs),
          forgetEnded: () => forgetEnded(database),
        },
        staleMs: config.STARLING_STALE_AFTER,
        maxWaitMs: config.STARLING_QUEUE_DEADLINE,
        everyMs: config.STARLING_MONITOR_EVERY,
        clock,
        log,
      }),
    ),
    led('synchronizer', ['replicas'], ({ database }) =>
      startSynchronizer({
        rows: replicaRows(database),
        ...stores,
        everyMs: config.STARLING_SYNCHRONIZE_EVERY,
        clock,
        log,
      }),
    ),
    led('rollouts', ['deployments', 'machines'], ({ database, epoch }) =>
      startRolloutController({
        rows: deploymentRows(database),
        keys: openVersionKeys({ ...keysChoice, database, epoch }, clock, log),
        signer: new Signer('version-key', config.STARLING_VERSION_SIGNING_KEY),
        tasks: afterTasks(database),
        analysis: analysis(database),
        regions,
        policy: defaultPolicy,
        everyMs: rolloutsEveryMs,
        clock,
        log,
      }),
    ),
    led('gates', ['deployments', 'projects', 'replicas'], ({ database }) =>
      startGatekeeper({
        database,
        review: reviewCommit({
          github: providerOf(config.STARLING_GITHUB_URL, config.STARLING_GITHUB_TOKEN_FILE),
          gitlab: providerOf(config.STARLING_GITLAB_URL, config.STARLING_GITLAB_TOKEN_FILE),
          folder: join(config.STARLING_DATA ?? tmpdir(), 'starling-review'),
        }),
        whyNot: (tx, { buildId }) => whyNotNow(tx, buildId),
        everyMs: gatesEveryMs,
        clock,
        log,
      }),
    ),
    led('retention', [], ({ database }) =>
      startNightSweep({
        sweep: (signal) => sweep({ database, stores, actor: 'starling', most: buildsAtOnce, signal }),
        hour: config.STARLING_SWEEP_HOUR,
        clock,
        log,
      }),
    ),
    led('tasks', ['deployments'], ({ database }) => startTaskControl({ database, clock, log })),
    led('analysis', ['deployments'], ({ database }) =>
      startAnalyst({ database, everyMs: analysisEveryMs, clock, log }),
    ),
    led('forecasts', ['deployments'], ({ database }) =>
      startForecastRecorder({ database, forecaster, everyMs: forecastsEveryMs, clock, log }),
    ),
    led('alerts', ['alerts', 'deployments'], ({ database }) =>
      startAlerter({
        database,
        send: sendAlert,
        publicUrl: config.STARLING_PUBLIC_URL,
        limits: {
          ...defaultAlertLimits,
          replicationLateMs: config.STARLING_REPLICATION_LATE,
          budgetMs: config.STARLING_BUDGET,
        },
        everyMs: config.STARLING_ALERTS_EVERY,
        clock,
        log,
      }),
    ),
  ];

  const identityKey = config.STARLING_IDENTITY_SIGNING_KEY;
  const tls = await tlsFiles(config, clock);
  if (tls) log.info(`certificate: ${fingerprintOf(readTls(tls).cert)}`);
  const server = await startApiServer({
    tls,
    trustProxy: config.STARLING_BEHIND_PROXY ?? false,
    sessions: { idleMs: config.STARLING_SESSION_IDLE, longestMs: config.STARLING_SESSION_LONGEST },
    requestLimits: { callsPerSecond: config.STARLING_RATE_LIMIT },
    openId: openIdOf(config, database),
    publicUrl: config.STARLING_PUBLIC_URL,
    sendAlert,
    stores,
    forecaster,
    checks: controlChecks({
      database,
      replica: () => reader.state(),
      stores,
      countKeys: async (region) => (await versionKeys.list(region)).length,
      verifyMail: mail ? () => verifyMail(mail) : undefined,
      oidcIssuer: config.STARLING_OIDC_ISSUER,
      certificate: tls && readTls(tls).cert,
    }),
    host: config.STARLING_HOST,
    port: config.STARLING_PORT,
    consoleFolder: config.STARLING_CONSOLE,
    readMetrics: openMetrics({
      database,
      replica: () => reader.state(),
      targetWaitMs: config.STARLING_TARGET_WAIT,
      log,
    }).read,
    isHealthy: async () => {
      const reached = await database.execute(sql`select 1`).then(
        () => true,
        () => false,
      );
      const replica = reader.state();
      return { healthy: reached, database: reached ? 'reached' : 'not reached', ...(replica && { replica }) };
    },
    database,
    reader,
    changes,
    versionKeys,
    clock,
    log,
    resolveRef,
    limits: {
      maxAttempts: config.STARLING_MAX_ATTEMPTS,
      buildDeadlineMs: config.STARLING_BUILD_DEADLINE,
      targetWaitMs: config.STARLING_TARGET_WAIT,
    },
    webhookSecret: config.STARLING_WEBHOOK_SECRET_FILE,
    agentCredentials: identityKey === undefined ? undefined : new Signer('agent-credential', identityKey),
    version: serverVersion,
  });
  sayReady({ url: server.url });

  untilStopped(log, async () => {
    await server.stop();
    await Promise.all(stopLoops.map((stop) => stop()));
    await changes.stop();
    await reader.stop();
    await disconnect(leases);
    await disconnect(database);
  });
}

/** The certificate that was given, or one that is made here; none for plain HTTP. */
async function tlsFiles(config: ControlConfig, clock: Clock): Promise<TlsFiles | undefined> {
  const { STARLING_TLS: auto, STARLING_TLS_CERT_FILE: certFile, STARLING_TLS_KEY_FILE: keyFile } = config;
  if (certFile && keyFile) return { certFile, keyFile };
  if (!auto || !config.STARLING_DATA) return undefined;
  const names = [
    config.STARLING_HOST,
    ...(config.STARLING_PUBLIC_URL ? [new URL(config.STARLING_PUBLIC_URL).hostname] : []),
  ];
  return localCertificate(config.STARLING_DATA, names, clock.now());
}

function openIdOf(config: ControlConfig, database: Database) {
  const { STARLING_OIDC_ISSUER: issuer, STARLING_OIDC_CLIENT_ID: clientId, STARLING_PUBLIC_URL: publicUrl } = config;
  if (!issuer || !clientId || !publicUrl) return undefined;
  const options = {
    issuer,
    clientId,
    clientSecret: config.STARLING_OIDC_CLIENT_SECRET_FILE,
    scopes: config.STARLING_OIDC_SCOPES,
    groupsClaim: config.STARLING_OIDC_GROUPS_CLAIM,
    rolesOfGroups: config.STARLING_OIDC_ROLES,
    publicUrl,
    // Every server has this key, and nobody else.
    flowSecret: createHash('sha256').update(`openid flow ${config.STARLING_VERSION_SIGNING_KEY}`).digest('hex'),
  };
  return openIdSignIn(options, database);
}
