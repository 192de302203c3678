import type { Clock } from '@starling/shared/clock.ts';
import type { Signer } from '@starling/shared/signing.ts';
import type { PersonCaller } from '../accounts/tokens.ts';
import type { Send } from '../alerts/senders.ts';
import type { Database } from '../db/connect.ts';
import type { Reader } from '../db/reader.ts';
import type { Check } from '../doctor/run-checks.ts';
import type { Forecaster } from '../forecast/forecaster.ts';
import type { ProcessCaller } from '../identities/credentials.ts';
import type { Logger } from '../lib/log.ts';
import type { BuildStores } from '../retention/sweep-bytes.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { VersionKeySource } from './region-keys.ts';

export type Caller = PersonCaller | ProcessCaller;

/** What every procedure can reach. `main.ts` makes one; each request adds its caller and id. */
export interface ApiDependencies {
  database: Database;
  /** For lists, histories and trends; for what decides something, and for what was just written, take `database`. */
  reader: Reader;
  changes: ChangeFeed;
  versionKeys: VersionKeySource;
  clock: Clock;
  log: Logger;
  /** Settles a ref to its commit SHA, or says why it cannot. */
  resolveRef(repositoryUrl: string, ref: string): Promise<string>;
  limits: { maxAttempts: number; buildDeadlineMs: number; targetWaitMs: number };
  /** Where people reach this Starling, without a slash at the end; undefined when it was not told. */
  publicUrl: string | undefined;
  sendAlert: Send;
  /** Where the bytes of builds are. */
  stores: BuildStores;
  forecaster: Pick<Forecaster, 'forecast'>;
  /** What `starling doctor` looks at. */
  checks: readonly Check[];
  /** Signs the credentials of agents; without it no agent can enrol. */
  agentCredentials?: Signer | undefined;
  /** What the webhook secrets of projects are derived from; without it no webhook is accepted. */
  webhookSecret?: string | undefined;
  version: string;
}

export interface Context extends ApiDependencies {
  caller: Caller | undefined;
  requestId: string;
}
