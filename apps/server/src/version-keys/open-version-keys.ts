import type { Clock } from '@starling/shared/clock.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import { etcdVersionKeys } from './etcd-store.ts';
import { postgresVersionKeys } from './postgres-store.ts';
import { recordedVersionKeys } from './recorded-store.ts';
import type { VersionKeyStore } from './version-key-store.ts';

export interface VersionKeysChoice {
  /** The endpoints of each region's etcd; without it the keys are in PostgreSQL. */
  clusters: ReadonlyMap<string, readonly string[]> | undefined;
  username: string | undefined;
  password: string | undefined;
  /** With both, keys are in etcd and recorded here. A hub that has an etcd has no database. */
  database: Database | undefined;
  /** The term of the leader that writes; its database is fenced, and so are its clusters. Others only read. */
  epoch?: number;
}

/** Opens the store that the configuration names; nothing is connected before it is used. */
export function openVersionKeys(choice: VersionKeysChoice, clock: Clock, log: Logger): VersionKeyStore {
  const { clusters, username, password, database, epoch } = choice;
  if (!clusters) {
    if (!database) throw new TypeError('version keys are in PostgreSQL or in etcd');
    return postgresVersionKeys(database, clock, log);
  }
  const auth = username !== undefined && password !== undefined ? { username, password } : undefined;
  const store = etcdVersionKeys({ clusters, auth, epoch, clock, log });
  return database ? recordedVersionKeys(store, database, log) : store;
}
