import { analysis } from '@starling/server/analysis/verdict.ts';
import { Deposed } from '@starling/server/db/fence.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { type ControllerOptions, startRolloutController } from '@starling/server/rollouts/controller.ts';
import { defaultPolicy } from '@starling/server/rollouts/decide.ts';
import { deploymentRows } from '@starling/server/rollouts/deployment-rows.ts';
import { afterTasks } from '@starling/server/tasks/after-tasks.ts';
import { type EtcdVersionKeysOptions, etcdVersionKeys } from '@starling/server/version-keys/etcd-store.ts';
import { openVersionKeys } from '@starling/server/version-keys/open-version-keys.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { eq, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestHub } from '../../apps/server/src/hub/test-hub.ts';
import {
  describeVersionKeyStore,
  sampleKey,
  startWatching,
} from '../../apps/server/src/version-keys/version-key-store-contract.ts';
import { deployments } from '../../drizzle/schema/index.ts';
import { type EtcdServer, missingForEtcd, startEtcd } from '../etcd/start-etcd.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const clock = systemClock;
const patience = { timeout: 20_000 };
const base64 = (text: string) => Buffer.from(text).toString('base64');

const missing = missingForEtcd();
if (missing) process.stderr.write(`\nSKIPPED: version keys are not tried on a real etcd. ${missing}\n\n`);

describeVersionKeyStore('PostgreSQL', async () => ({
  open: () => postgresVersionKeys(test.database, clock, log),
  breakDown: async () => {
    await test.database.execute(sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`);
    // Each connection of the pool learns of its end when it is used next.
    const everyConnection = () => Promise.all(Array.from({ length: 20 }, () => test.database.execute(sql`select 1`)));
    await vi.waitFor(everyConnection, patience);
  },
  close: async () => {},
}));

describe.skipIf(missing !== undefined)('with a real etcd', () => {
  describeVersionKeyStore('etcd', async () => {
    const server = await startEtcd();
    const clusters = new Map([
      ['eu', [server.endpoint]],
      ['us', [server.endpoint]],
    ]);
    return {
      open: () => etcdVersionKeys({ clusters, clock, log }),
      breakDown: async () => {
        await server.kill();
        await server.restart();
      },
      close: () => server.stop(),
    };
  });

  describe('version keys in etcd', () => {
    let server: EtcdServer;
    let watchers: { stop(): Promise<void> }[] = [];
    beforeAll(async () => {
      server = await startEtcd();
    });
    afterEach(async () => {
      await Promise.all(watchers.map((watcher) => watcher.stop()));
      watchers = [];
    });
    afterAll(() => server?.stop());
    const open = (more: Partial<EtcdVersionKeysOptions> = {}) =>
      etcdVersionKeys({ clusters: new Map([['eu', [server.endpoint]]]), clock, log, ...more });
    const watch = (store: ReturnType<typeof open>) => {
      const watcher = startWatching(store);
      watchers.push(watcher);
      return watcher;
    };

    it('are asked for in vain in a region that has no cluster', async () => {
      const refusal = { code: 'NOT_FOUND', field: 'region', message: expect.stringContaining('region mars') };
      for (const call of [
        open().get('shop', 'mars'),
        open().list('mars'),
        open().put(sampleKey('shop', 1, { region: 'mars' }), 0),
        open().watch('mars', () => {}, new AbortController().signal),
      ])
        await expect(call).rejects.toMatchObject(refusal);
    });

    it('name the endpoint that does not answer, and the region', async () => {
      const store = open({ clusters: new Map([['eu', ['http://127.0.0.1:1']]]) });
      for (const call of [() => store.list('eu'), () => store.put(sampleKey('away', 1), 0)]) {
        const thrown = await call().catch((error: unknown) => error);
        expect(thrown).toBeInstanceOf(StarlingError);
        expect(thrown).toMatchObject({
          code: 'UNAVAILABLE',
          message: expect.stringMatching(/^the etcd of eu at http:\/\/127\.0\.0\.1:1 does not answer: /),
        });
      }
    });

    it('name the endpoint that takes the question and never answers', async () => {
      const deaf: typeof fetch = (_, init) =>
        new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)));
      await expect(open({ fetch: deaf }).list('eu')).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: `the etcd of eu at ${server.endpoint} does not answer: no answer in time`,
      });
    });

    it('come from the next endpoint when one is away', async () => {
      const store = open({ clusters: new Map([['eu', ['http://127.0.0.1:1', server.endpoint]]]) });
      expect(await store.put(sampleKey('next', 1), 0)).toBe(true);
      expect((await store.get('next', 'eu'))?.sequence).toBe(1);
    });

    it('that were written are known to be when the answer was lost', async () => {
      let lost = 0;
      const forgetful: typeof fetch = async (input, init) => {
        const response = await fetch(input, init);
        if (!String(input).endsWith('/txn') || lost > 0) return response;
        lost += 1;
        await response.text();
        throw new TypeError('the connection broke');
      };
      expect(await open({ fetch: forgetful }).put(sampleKey('lost', 1), 0)).toBe(true);
      expect(lost).toBe(1);
      // One that someone else wrote at the same time is not taken for ours.
      lost = 0;
      const overtaken: typeof fetch = async (input, init) => {
        if (String(input).endsWith('/txn') && lost === 0) {
          lost += 1;
          await open().put(sampleKey('lost', 2, { issuedAt: 9 }), 1);
          throw new TypeError('the connection broke');
        }
        return fetch(input, init);
      };
      expect(await open({ fetch: overtaken }).put(sampleKey('lost', 2), 1)).toBe(false);
      expect((await open().get('lost', 'eu'))?.issuedAt).toBe(9);
    });

    it('that someone else has spoiled are left out, and can be written over', async () => {
      await open().put(sampleKey('whole', 1), 0);
      const write = (project: string, value: string) =>
        server.ask('/v3/kv/put', { key: base64(`starling/version-keys/eu/${project}`), value: base64(value) });
      await write('spoiled', 'rubbish');
      await write('moved', JSON.stringify(sampleKey('whole', 5)));
      const watcher = watch(open());
      await vi.waitFor(() => expect(watcher.seen).toContain('whole 1'), patience);
      expect(watcher.seen).not.toContain('whole 5');
      expect((await open().list('eu')).map((key) => key.project)).not.toContain('spoiled');
      expect(await open().get('spoiled', 'eu')).toBeUndefined();
      expect(await open().put(sampleKey('spoiled', 1), 0)).toBe(true);
      await vi.waitFor(() => expect(watcher.seen).toContain('spoiled 1'), patience);
    });

    it('reach a watcher that was cut off while etcd forgot its history', async () => {
      const cable = new Cable();
      await open().put(sampleKey('cut', 1), 0);
      await open().put(sampleKey('calm', 1), 0);
      const watcher = watch(open({ fetch: cable.fetch }));
      await vi.waitFor(() => expect(watcher.seen).toContain('cut 1'), patience);
      cable.cut();
      await open().put(sampleKey('cut', 2), 1);
      await open().put(sampleKey('cut', 3), 2);
      const { header } = (await server.ask('/v3/kv/range', { key: base64('x') })) as { header: { revision: string } };
      await server.ask('/v3/kv/compaction', { revision: header.revision, physical: true });
      cable.mend();
      await vi.waitFor(() => expect(watcher.seen).toContain('cut 3'), patience);
      await open().put(sampleKey('cut', 4), 3);
      await vi.waitFor(() => expect(watcher.seen).toContain('cut 4'), patience);
      expect(watcher.seen.filter((entry) => entry === 'calm 1')).toHaveLength(1);
    });

    it('reach a watcher whose history is gone in the very moment it asks for it', async () => {
      let compactions = 0;
      const unlucky: typeof fetch = async (input, init) => {
        if (String(input).endsWith('/watch') && compactions === 0) {
          compactions += 1;
          await open().put(sampleKey('gap', 2), 1);
          await open().put(sampleKey('gap', 3), 2);
          const answer = (await server.ask('/v3/kv/range', { key: base64('x') })) as { header: { revision: string } };
          await server.ask('/v3/kv/compaction', { revision: answer.header.revision, physical: true });
        }
        return fetch(input, init);
      };
      await open().put(sampleKey('gap', 1), 0);
      const watcher = watch(open({ fetch: unlucky }));
      await vi.waitFor(() => expect(watcher.seen).toContain('gap 3'), patience);
      expect(watcher.seen.filter((entry) => entry.startsWith('gap'))).toEqual(['gap 1', 'gap 3']);
    });

    it('reach a watcher whose connection hangs', async () => {
      let hanging = 0;
      const hung: typeof fetch = async (input, init) => {
        if (!String(input).endsWith('/watch') || hanging > 0) return fetch(input, init);
        hanging += 1;
        const created = Buffer.from('{"result":{"header":{"revision":"1"},"created":true}}\n');
        const body = new ReadableStream({
          start: (controller) => {
            controller.enqueue(created);
            init?.signal?.addEventListener('abort', () => controller.error(init.signal?.reason));
          },
        });
        return new Response(body);
      };
      const watcher = watch(open({ fetch: hung, checkEveryMs: 50 }));
      await vi.waitFor(() => expect(hanging).toBe(1), patience);
      await open().put(sampleKey('hung', 1), 0);
      await vi.waitFor(() => expect(watcher.seen).toContain('hung 1'), patience);
    });
  });

  describe('version keys in an etcd that wants a password', () => {
    let server: EtcdServer;
    beforeAll(async () => {
      server = await startEtcd();
      await server.ask('/v3/auth/user/add', { name: 'root', password: 'secret' });
      await server.ask('/v3/auth/role/add', { name: 'root' });
      await server.ask('/v3/auth/user/grant', { user: 'root', role: 'root' });
      // What docs/how-to/use-etcd.md says, and no more.
      await server.ask('/v3/auth/user/add', { name: 'starling', password: 'secret' });
      await server.ask('/v3/auth/role/add', { name: 'starling' });
      const perm = { permType: 'READWRITE', key: base64('starling/'), range_end: base64('starling0') };
      await server.ask('/v3/auth/role/grant', { name: 'starling', perm });
      await server.ask('/v3/auth/user/grant', { user: 'starling', role: 'starling' });
      await server.ask('/v3/auth/enable', {});
    });
    afterAll(() => server?.stop());
    const open = (auth?: { username: string; password: string }) =>
      etcdVersionKeys({ clusters: new Map([['eu', [server.endpoint]]]), auth, clock, log });

    it('are refused without one, and with a wrong one', async () => {
      for (const auth of [undefined, { username: 'starling', password: 'wrong' }])
        await expect(open(auth).list('eu')).rejects.toMatchObject({
          code: 'UNAVAILABLE',
          message: expect.stringContaining(`the etcd of eu at ${server.endpoint} refused access: `),
          fix: expect.stringContaining('STARLING_ETCD_PASSWORD_FILE'),
        });
    });

    it('are written and watched with it, also when etcd has forgotten the token', async () => {
      const store = open({ username: 'starling', password: 'secret' });
      expect(await store.put(sampleKey('shop', 1), 0)).toBe(true);
      const watcher = startWatching(store);
      await vi.waitFor(() => expect(watcher.seen).toEqual(['shop 1']), patience);
      await server.kill();
      await server.restart();
      await vi.waitFor(async () => expect(await store.put(sampleKey('shop', 2), 1)).toBe(true), patience);
      await vi.waitFor(() => expect(watcher.seen).toEqual(['shop 1', 'shop 2']), patience);
      await watcher.stop();
    });
  });

  describe('the terms of leaders', () => {
    let server: EtcdServer;
    beforeAll(async () => {
      server = await startEtcd();
    });
    afterAll(() => server?.stop());
    const ofTerm = (epoch: number | undefined) =>
      etcdVersionKeys({ clusters: new Map([['eu', [server.endpoint]]]), epoch, clock, log });

    it('keep a late leader from writing as soon as a newer one has read', async () => {
      const [late, newer] = [ofTerm(1), ofTerm(2)];
      expect(await late.list('eu')).toEqual([]);
      expect(await late.put(sampleKey('terms', 1), 0)).toBe(true);
      expect(await newer.list('eu')).toHaveLength(1);
      // The newer one has written nothing yet, so the number alone would let it through.
      expect(await late.put(sampleKey('terms', 2), 1)).toBe(false);
      await expect(late.list('eu')).rejects.toThrow(Deposed);
      await expect(late.put(sampleKey('terms', 2), 1)).rejects.toThrow(Deposed);
      expect(await newer.put(sampleKey('terms', 2), 1)).toBe(true);
      expect((await ofTerm(undefined).get('terms', 'eu'))?.sequence, 'others read as before').toBe(2);
    });

    it('are claimed anew when a cluster has lost everything', async () => {
      const leader = ofTerm(3);
      await leader.list('eu');
      await server.ask('/v3/kv/deleterange', { key: base64('starling/'), range_end: base64('starling0') });
      expect(await leader.put(sampleKey('lost', 1), 0)).toBe(false);
      expect(await leader.list('eu')).toEqual([]);
      expect(await leader.put(sampleKey('lost', 1), 0)).toBe(true);
    });
  });

  describe('the rollout controller with etcd', () => {
    let eu: EtcdServer;
    let us: EtcdServer;
    let stops: (() => Promise<unknown>)[] = [];
    const { privatePem, publicPem } = generateSigningKey();
    beforeAll(async () => {
      [eu, us] = await Promise.all([startEtcd(), startEtcd()]);
      await addRegions(test.database, ['eu', 'us']);
    });
    afterEach(async () => {
      await Promise.all(stops.map((stop) => stop()));
      stops = [];
    });
    afterAll(() => Promise.all([eu?.stop(), us?.stop()]));

    const clusters = () =>
      new Map([
        ['eu', [eu.endpoint]],
        ['us', [us.endpoint]],
      ]);
    const unnamed = { username: undefined, password: undefined };
    const ofControl = () => openVersionKeys({ clusters: clusters(), ...unnamed, database: test.database }, clock, log);
    const startController = (more: Partial<ControllerOptions> = {}) => {
      const loop = startRolloutController({
        rows: deploymentRows(test.database),
        keys: ofControl(),
        signer: new Signer('version-key', privatePem),
        tasks: afterTasks(test.database),
        analysis: analysis(test.database),
        regions: ['eu', 'us'],
        policy: defaultPolicy,
        everyMs: 30,
        clock,
        log,
        ...more,
      });
      stops.push(() => loop.stop());
      return loop;
    };
    /** As a hub does: it knows its region's cluster and no database. */
    const startHubWatch = (region: string) => {
      const ofRegion = new Map([...clusters()].filter(([name]) => name === region));
      const store = openVersionKeys({ clusters: ofRegion, ...unnamed, database: undefined }, clock, log);
      const watcher = startWatching(store, region);
      stops.push(() => watcher.stop());
      return { ...watcher, keys: () => store.list(region) };
    };
    const deploy = async (project: string) => {
      const { build } = await addBuild(test.database, project);
      await test.database.update(deployments).set({ status: 'SUPERSEDED' }).where(eq(deployments.project, project));
      await test.database.insert(deployments).values({
        project,
        buildId: build.buildId,
        kind: 'DEPLOY',
        status: 'RUNNING',
        startedAt: new Date(),
        requestedBy: 'test',
        reason: '',
        salt: 's',
      });
      return build.buildId;
    };

    it('tells the hubs of each region what to run', async () => {
      const hubs = ['eu', 'us'].map(startHubWatch);
      const build = await deploy('shop');
      startController();
      for (const hub of hubs) {
        await vi.waitFor(() => expect(hub.seen).toContain('shop 1'), patience);
        const [key] = (await hub.keys()).filter(({ project }) => project === 'shop');
        expect(key?.candidate?.build).toBe(build);
        expect(new TrustedKeys('version-key', [publicPem]).refusal(key!)).toBeUndefined();
      }
    });

    it('goes on counting where it was when a cluster has lost its keys, also while nobody deploys', async () => {
      const hub = startHubWatch('eu');
      await deploy('books');
      const first = startController();
      await vi.waitFor(() => expect(hub.seen).toContain('books 1'), patience);
      await deploy('books');
      await vi.waitFor(() => expect(hub.seen).toContain('books 2'), patience);
      await first.stop();
      await eu.restart({ onNoData: true });
      expect(
        await openVersionKeys({ clusters: clusters(), ...unnamed, database: undefined }, clock, log).list('eu'),
      ).toEqual([]);
      startController();
      await vi.waitFor(
        async () => expect((await hub.keys()).map((key) => [key.project, key.sequence])).toContainEqual(['books', 2]),
        patience,
      );
      await deploy('books');
      await vi.waitFor(() => expect(hub.seen).toContain('books 3'), patience);
    });

    it('takes over the keys that were in PostgreSQL', async () => {
      const before = postgresVersionKeys(test.database, clock, log);
      for (const region of ['eu', 'us']) await before.put(sampleKey('moved', 41, { region }), 0);
      const hub = startHubWatch('us');
      await deploy('moved');
      startController();
      await vi.waitFor(() => expect(hub.seen).toContain('moved 42'), patience);
    });

    it('tells a watcher that its cluster is away, and why, and that it is back', async () => {
      const hub = startHubWatch('eu');
      await vi.waitFor(() => expect(hub.troubles).toEqual([undefined]), patience);
      await eu.kill();
      try {
        await vi.waitFor(() => expect(hub.troubles.at(-1)).toContain(`${eu.endpoint} does not answer`), patience);
      } finally {
        await eu.restart();
      }
      await vi.waitFor(() => expect(hub.troubles.at(-1)).toBeUndefined(), patience);
    });

    it('is away in the health of a hub, since when and why, and back again', async () => {
      const keys = etcdVersionKeys({ clusters: new Map([['eu', [eu.endpoint]]]), clock, log });
      const { health } = await startTestHub({
        options: { keys: { list: () => keys.list('eu'), watch: (...how) => keys.watch('eu', ...how) } },
      });
      await vi.waitFor(
        async () => expect((await health()).keys).toMatchObject({ error: '', awaySince: null }),
        patience,
      );
      const before = Date.now();
      await eu.kill();
      try {
        await vi.waitFor(async () => expect((await health()).keys.error).toContain('does not answer'), patience);
        const { status, keys: first } = await health();
        expect(status).toBe('degraded');
        expect(Date.parse(first.awaySince!)).toBeGreaterThanOrEqual(before);
        // It stays the time at which it was missed first, however often it is tried.
        await vi.waitFor(
          async () => expect(Date.now()).toBeGreaterThan(Date.parse(first.awaySince!) + 1_000),
          patience,
        );
        expect((await health()).keys.awaySince).toBe(first.awaySince);
      } finally {
        await eu.restart();
      }
      await vi.waitFor(
        async () => expect((await health()).keys).toMatchObject({ error: '', awaySince: null }),
        patience,
      );
      expect((await health()).status).toBe('ok');
    });

    it('keeps every project of the other regions up to date while the cluster of one is away', async () => {
      const hub = startHubWatch('us');
      await eu.kill();
      try {
        for (const project of ['away-a', 'away-b', 'away-c']) await deploy(project);
        startController();
        for (const project of ['away-a', 'away-b', 'away-c'])
          await vi.waitFor(() => expect(hub.seen).toContain(`${project} 1`), patience);
      } finally {
        await eu.restart();
      }
      await vi.waitFor(
        async () => expect((await ofControl().list('eu')).map((key) => key.project)).toContain('away-c'),
        patience,
      );
    });
  });
});

/** A connection that can be cut: what is under way breaks, and nothing new begins. */
class Cable {
  #whole = new AbortController();

  readonly fetch: typeof fetch = (input, init) => {
    const signals = [this.#whole.signal, init?.signal].filter((signal) => signal instanceof AbortSignal);
    return fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };

  cut(): void {
    this.#whole.abort(new TypeError('the cable is cut'));
  }

  mend(): void {
    this.#whole = new AbortController();
  }
}
