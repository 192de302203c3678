import type { Clock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { type VersionKey, versionKey } from '@starling/shared/version-key.ts';
import { Deposed } from '../db/fence.ts';
import type { Logger } from '../lib/log.ts';
import { EtcdCluster, type StoredValue } from './etcd-cluster.ts';
import { follow } from './etcd-follow.ts';
import type { VersionKeyStore } from './version-key-store.ts';

export interface EtcdVersionKeysOptions {
  /** The endpoints (`http://host:port`) of the cluster of each region. */
  clusters: ReadonlyMap<string, readonly string[]>;
  /** What all keys begin with; `starling/` when it is not given. */
  prefix?: string;
  /** The same for every cluster. */
  auth?: { username: string; password: string } | undefined;
  /**
   * The term of the leader that writes: from the first read of a region on, nobody with an older one can write there.
   * Without it nothing is fenced.
   */
  epoch?: number | undefined;
  /** The longest a write can stay unseen by a watcher whose connection hangs, in milliseconds; 30 s when not given. */
  checkEveryMs?: number;
  clock: Clock;
  log: Logger;
  fetch?: typeof fetch;
}

/**
 * Version keys in etcd, one cluster a region, as JSON below `<prefix>version-keys/<region>/<project>`. What cannot be
 * read or written fails with UNAVAILABLE, naming the endpoint, and a region without a cluster with NOT_FOUND.
 */
export function etcdVersionKeys(options: EtcdVersionKeysOptions): VersionKeyStore {
  const { prefix = 'starling/', auth, epoch, clock, log, checkEveryMs = 30_000 } = options;
  const clusters = new Map(
    [...options.clusters].map(([region, endpoints]) => [
      region,
      new EtcdCluster({ region, endpoints, auth, clock, fetch: options.fetch ?? fetch }),
    ]),
  );
  const clusterOf = (region: string) => {
    const cluster = clusters.get(region);
    if (cluster) return cluster;
    throw new StarlingError('NOT_FOUND', `no etcd cluster is named for the region ${region}`, {
      field: 'region',
      fix: `STARLING_VERSION_KEYS names clusters for: ${[...clusters.keys()].join(', ')}.`,
    });
  };
  const folderOf = (region: string) => `${prefix}version-keys/${region}/`;
  /** The first key after all that begin with the folder's name: "0" comes after "/". */
  const endOf = (region: string) => `${prefix}version-keys/${region}0`;

  /** The version key that is stored there; undefined, and logged, when it is something else. */
  const read = (region: string, { key, value }: StoredValue): VersionKey | undefined => {
    const refusal = refusalOf(value, region, key.slice(folderOf(region).length));
    // The signature covers members that this version of Starling may not know, so the key is kept as it came.
    if (refusal === undefined) return JSON.parse(value) as VersionKey;
    log.error(`${key} in the etcd of ${region} is not a version key: ${refusal}`);
    return undefined;
  };
  const stored = async (project: string, region: string) => {
    const { values } = await clusterOf(region).range(folderOf(region) + project);
    const found = values[0];
    return found ? { modRevision: found.modRevision, key: read(region, found) } : { modRevision: 0, key: undefined };
  };

  const termKey = `${prefix}version-keys-term`;
  const claimed = new Set<string>();
  /** Makes this term the newest that may write to a region; said once, and before anything is read to decide by. */
  const claim = async (region: string) => {
    if (epoch === undefined || claimed.has(region)) return;
    const [there] = (await clusterOf(region).range(termKey)).values;
    const newest = there ? Number(there.value) : 0;
    if (newest > epoch) throw new Deposed(`the version keys of ${region}`, epoch);
    if (newest < epoch && !(await clusterOf(region).putIf(termKey, String(epoch), there?.modRevision ?? 0))) {
      throw new StarlingError('UNAVAILABLE', `another server claims the version keys of ${region} just now`);
    }
    claimed.add(region);
  };

  return {
    get: async (project, region) => {
      await claim(region);
      return (await stored(project, region)).key;
    },
    list: async (region) => {
      await claim(region);
      const { values } = await clusterOf(region).range(folderOf(region), { end: endOf(region) });
      return values.map((value) => read(region, value)).filter((key) => key !== undefined);
    },
    put: async (key, expectedSequence) => {
      const { project, region } = key;
      await claim(region);
      const there = await stored(project, region);
      // What is not a version key counts as none, so that it does not stand in the way for ever.
      if ((there.key?.sequence ?? 0) !== expectedSequence) return false;
      const isOurs = epoch === undefined ? undefined : { key: termKey, value: String(epoch) };
      const text = JSON.stringify(key);
      const written = await clusterOf(region).putIf(folderOf(region) + project, text, there.modRevision, isOurs);
      // Someone else wrote, or a cluster that lost its data has lost the claim too: the next read claims again.
      if (!written) claimed.delete(region);
      return written;
    },
    watch: async (region, onKey, signal, onTrouble = () => {}) => {
      const onValue = (value: StoredValue) => {
        const key = read(region, value);
        if (key) onKey(key);
      };
      const range = { from: folderOf(region), end: endOf(region) };
      await follow({ cluster: clusterOf(region), ...range, onValue, onTrouble, checkEveryMs, clock, log }, signal);
    },
  };
}

/** Why a stored text is not the version key of this project and region; undefined when it is. */
function refusalOf(text: string, region: string, project: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const parsed = versionKey.safeParse(value);
  if (!parsed.success) return `${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`;
  const { data } = parsed;
  if (data.region === region && data.project === project) return undefined;
  return `it is of ${data.project} in ${data.region}`;
}
