import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { VersionKeyStore } from './version-key-store.ts';

export interface StoreUnderTest {
  /** Opens the store once more, as another process would; it has the regions eu and us. */
  open(): VersionKeyStore;
  /** Cuts every connection as roughly as possible; the store is as before when it resolves. */
  breakDown(): Promise<void>;
  close(): Promise<void>;
}

const signer = new Signer('version-key', generateSigningKey().privatePem);
const patience = { timeout: 20_000 };

/** A signed version key of the region eu. */
export function sampleKey(project: string, sequence: number, more: Partial<VersionKey> = {}): VersionKey {
  return signer.sign({
    format: 1,
    project,
    region: 'eu',
    sequence,
    issuedAt: 1,
    expiresAt: 2,
    stable: { build: `${project}@0123456789ab`, manifestDigest: 'a'.repeat(64), deployment: sequence },
    candidate: null,
    prefetch: [],
    quarantined: [],
    ...more,
  });
}

/** Follows a region until the test ends; `seen` says "project sequence" in the order it came. */
export function startWatching(store: VersionKeyStore, region = 'eu') {
  const ending = new AbortController();
  const seen: string[] = [];
  const troubles: (string | undefined)[] = [];
  const ended = store.watch(
    region,
    ({ project, sequence }) => seen.push(`${project} ${sequence}`),
    ending.signal,
    (why) => troubles.push(why),
  );
  return {
    seen,
    /** What it was told of the store, in order: why it was away, undefined each time it answered. */
    troubles,
    stop: () => {
      ending.abort();
      return ended;
    },
  };
}

/** What every store of version keys must do, whatever it is made of. */
export function describeVersionKeyStore(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a store of version keys`, () => {
    let under: StoreUnderTest;
    let store: VersionKeyStore;
    let watchers: { stop(): Promise<void> }[] = [];
    let count = 0;
    const freshProject = () => `p${count++}`;
    const watch = (region?: string) => {
      const watcher = startWatching(under.open(), region);
      watchers.push(watcher);
      return watcher;
    };

    beforeAll(async () => {
      under = await start();
      store = under.open();
    });
    afterEach(async () => {
      await Promise.all(watchers.map((watcher) => watcher.stop()));
      watchers = [];
    });
    afterAll(() => under?.close());

    it('gives back the key that was written, as it was signed', async () => {
      const project = freshProject();
      expect(await store.get(project, 'eu')).toBeUndefined();
      const key = { ...sampleKey(project, 1), memberOfALaterVersion: 'ü' };
      expect(await store.put(key, 0)).toBe(true);
      expect(await under.open().get(project, 'eu')).toEqual(key);
    });

    it('writes only over the number that the writer saw', async () => {
      const project = freshProject();
      expect(await store.put(sampleKey(project, 2), 1)).toBe(false);
      expect(await store.get(project, 'eu')).toBeUndefined();
      expect(await store.put(sampleKey(project, 1), 0)).toBe(true);
      expect(await store.put(sampleKey(project, 1), 0)).toBe(false);
      expect(await store.put(sampleKey(project, 3), 2)).toBe(false);
      expect(await store.put(sampleKey(project, 2), 1)).toBe(true);
      expect((await store.get(project, 'eu'))?.sequence).toBe(2);
    });

    it('lets exactly one of several writers through', async () => {
      const project = freshProject();
      for (let sequence = 1; sequence <= 5; sequence += 1) {
        const writers = [1, 2, 3, 4].map((issuedAt) => sampleKey(project, sequence, { issuedAt }));
        const written = await Promise.all(writers.map((key) => under.open().put(key, sequence - 1)));
        expect(written.filter(Boolean)).toHaveLength(1);
        expect(await store.get(project, 'eu')).toEqual(writers[written.indexOf(true)]);
      }
    });

    it('lists the keys of one region only', async () => {
      const project = freshProject();
      await store.put(sampleKey(project, 1), 0);
      await store.put(sampleKey(project, 1, { region: 'us' }), 0);
      await store.put(sampleKey(project, 2, { region: 'us' }), 1);
      const sequences = async (region: string) =>
        (await store.list(region)).filter((key) => key.project === project).map((key) => [key.region, key.sequence]);
      expect(await sequences('eu')).toEqual([['eu', 1]]);
      expect(await sequences('us')).toEqual([['us', 2]]);
    });

    it('brings a watcher the keys that are there, then each that is written to its region', async () => {
      const project = freshProject();
      await store.put(sampleKey(project, 1), 0);
      const watcher = watch();
      await vi.waitFor(() => expect(watcher.seen).toContain(`${project} 1`), patience);
      const later = freshProject();
      await store.put(sampleKey(later, 7, { region: 'us' }), 0);
      await store.put(sampleKey(project, 2), 1);
      await vi.waitFor(() => expect(watcher.seen).toContain(`${project} 2`), patience);
      await store.put(sampleKey(later, 1), 0);
      await vi.waitFor(() => expect(watcher.seen.at(-1)).toBe(`${later} 1`), patience);
      expect(watcher.seen).not.toContain(`${later} 7`);
      expect(watcher.seen.filter((entry) => entry.startsWith(`${project} `))).toEqual([`${project} 1`, `${project} 2`]);
    });

    it('brings a watcher what was written after its connection was cut', async () => {
      const project = freshProject();
      await store.put(sampleKey(project, 1), 0);
      const watcher = watch();
      await vi.waitFor(() => expect(watcher.seen).toContain(`${project} 1`), patience);
      await under.breakDown();
      expect(await store.put(sampleKey(project, 2), 1)).toBe(true);
      await vi.waitFor(() => expect(watcher.seen).toContain(`${project} 2`), patience);
      await store.put(sampleKey(project, 3), 2);
      await vi.waitFor(() => expect(watcher.seen.at(-1)).toBe(`${project} 3`), patience);
    });

    it('holds many keys, and brings a watcher all of them', async () => {
      const projects = Array.from({ length: 450 }, freshProject);
      await Promise.all(projects.map((project) => store.put(sampleKey(project, 1), 0)));
      const listed = new Set((await store.list('eu')).map((key) => key.project));
      expect(projects.filter((project) => !listed.has(project))).toEqual([]);
      const watcher = watch();
      const all = projects.map((project) => `${project} 1`);
      await vi.waitFor(() => {
        const seen = new Set(watcher.seen);
        expect(all.filter((entry) => !seen.has(entry))).toEqual([]);
      }, patience);
    });

    it('ends a watch when it is told to', async () => {
      const [ended, other] = [watch(), watch()];
      const project = freshProject();
      await store.put(sampleKey(project, 1), 0);
      for (const { seen } of [ended, other]) await vi.waitFor(() => expect(seen).toContain(`${project} 1`), patience);
      await ended.stop();
      await store.put(sampleKey(project, 2), 1);
      await vi.waitFor(() => expect(other.seen).toContain(`${project} 2`), patience);
      expect(ended.seen).not.toContain(`${project} 2`);
    });
  });
}
