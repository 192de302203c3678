import { connectApi } from '@starling/local/api-client.ts';
import { type ChangeFeed, openChangeFeed } from '@starling/server/api/change-feed.ts';
import type { ApiDependencies } from '@starling/server/api/context.ts';
import { type ApiServerOptions, startApiServer } from '@starling/server/api/server.ts';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import type { Database } from '@starling/server/db/connect.ts';
import { primaryReader } from '@starling/server/db/reader.ts';
import { Forecaster } from '@starling/server/forecast/forecaster.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { systemClock } from '@starling/shared/clock.ts';

export interface TestApi {
  url: string;
  /** A client with this token; without one nobody is signed in. */
  as(token: string): ReturnType<typeof connectApi>;
  changes: ChangeFeed;
  stop(): Promise<void>;
}

/** A real API server on a port of its own; what a test does not care about is as a single server would have it. */
export async function startTestApi(
  database: Database,
  overrides: Partial<ApiServerOptions & ApiDependencies> = {},
): Promise<TestApi> {
  const log = createLogger('test', 'silent');
  const changes = await openChangeFeed(database);
  const server = await startApiServer({
    host: '127.0.0.1',
    port: 0,
    consoleFolder: undefined,
    isHealthy: async () => ({ healthy: true }),
    database,
    reader: primaryReader(database),
    changes,
    versionKeys: postgresVersionKeys(database, systemClock, log),
    clock: systemClock,
    log,
    resolveRef: async () => 'a'.repeat(40),
    limits: { maxAttempts: 3, buildDeadlineMs: 900_000, targetWaitMs: 60_000 },
    publicUrl: undefined,
    tls: undefined,
    trustProxy: false,
    sessions: { idleMs: 3_600_000, longestMs: 86_400_000 },
    requestLimits: { callsPerSecond: 10_000 },
    openId: undefined,
    sendAlert: async () => {},
    stores: { main: openBlobStore('file:///nowhere'), regions: new Map() },
    forecaster: new Forecaster(openBlobStore('file:///nowhere')),
    checks: [],
    version: 'test',
    ...overrides,
  });
  return {
    url: server.url,
    as: (token) => connectApi(server.url, token),
    changes,
    stop: async () => {
      await server.stop();
      await changes.stop();
    },
  };
}
