import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { expandManifest } from '@starling/packs/manifest-transfer.ts';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { describe, expect, it } from 'vitest';
import { MemoryBlobs, makeBuild, makeKey, sha256, startTestHub, type TestBuild, until } from './test-hub.ts';

/** A clock that can be set forward. */
function movableClock(): Clock & { aheadMs: number } {
  const clock = {
    aheadMs: 0,
    now: () => systemClock.now() + clock.aheadMs,
    sleep: (milliseconds: number, signal?: AbortSignal) => systemClock.sleep(milliseconds, signal),
  };
  return clock;
}

const packsIn = (dataDir: string) =>
  readdir(join(dataDir, 'packs')).then((names) => names.filter((name) => /^[0-9a-f]{64}$/.test(name)));

describe('the room that packs may take', () => {
  /** One pack borrowed by the next build, and that again: only the last build's own pack is pulled by itself. */
  async function threeBuilds() {
    const one = makeBuild(300_000);
    const two = makeBuild(200_000, 2, one);
    const three = makeBuild(100_000, 3);
    return [one, two, three] as const;
  }

  it('is taken from packs that no key’s build needs, those asked for longest ago first, and never from one that a key needs', async () => {
    const [one, two, three] = await threeBuilds();
    const clock = movableClock();
    const hub = await startTestHub({ options: { keptBytes: 320_000, clock } });
    hub.blobs.add(one, two, three);
    const seeding = (build: TestBuild) =>
      until(async () =>
        (await hub.health()).builds.some((found) => found.build === build.build && found.state === 'SEEDING'),
      );
    hub.keys.put(makeKey(1, two));
    await seeding(two);
    await until(async () => (await hub.get(`/packs/${one.pack.sha256}`)).status === 200);
    // Both packs are needed, so that they stay although they take more than the room.
    clock.aheadMs += 120_000;
    hub.keys.put(makeKey(2, two));
    expect((await packsIn(hub.dataDir)).toSorted()).toEqual([one.pack.sha256, two.pack.sha256].toSorted());
    // Now neither is; of the two the first was asked for earlier.
    await until(async () => (await hub.get(`/packs/${two.pack.sha256}`)).status === 200);
    clock.aheadMs += 120_000;
    hub.keys.put(makeKey(3, three));
    await seeding(three);
    await until(async () => !(await packsIn(hub.dataDir)).includes(one.pack.sha256));
    expect((await packsIn(hub.dataDir)).toSorted()).toEqual([two.pack.sha256, three.pack.sha256].toSorted());
  });

  it('is not taken from a pack that was asked for a moment ago', async () => {
    const [one, two, three] = await threeBuilds();
    const hub = await startTestHub({ options: { keptBytes: 0 } });
    hub.blobs.add(one, two, three);
    hub.keys.put(makeKey(1, two));
    await until(async () => (await hub.get(`/packs/${one.pack.sha256}`)).status === 200);
    hub.keys.put(makeKey(2, three));
    await until(async () => (await hub.get(`/packs/${three.pack.sha256}`)).status === 200);
    expect((await hub.get(`/packs/${one.pack.sha256}`)).status).toBe(200);
  });

  it('is made on a full disk, which the hub says', async () => {
    const [one, two, three] = await threeBuilds();
    const clock = movableClock();
    const blobs = new FillingBlobs();
    const hub = await startTestHub({ blobs, options: { clock } });
    blobs.add(one, two, three);
    hub.keys.put(makeKey(1, two));
    await until(async () => (await hub.get(`/packs/${one.pack.sha256}`)).status === 200);
    clock.aheadMs += 120_000;
    blobs.isFull = true;
    hub.keys.put(makeKey(2, three));
    await until(async () =>
      (await hub.health()).builds.some(({ reason }) => /cannot write to .*no space is left on its disk/.test(reason)),
    );
    expect((await hub.health()).status).toBe('degraded');
    await until(async () => (await packsIn(hub.dataDir)).every((name) => name === three.pack.sha256));
    blobs.isFull = false;
    await until(async () => (await hub.get(`/packs/${three.pack.sha256}`)).status === 200);
  });
});

/** What a full disk does to a pull. */
class FillingBlobs extends MemoryBlobs {
  isFull = false;

  override async read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    if (this.isFull && key.startsWith('packs/'))
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return super.read(key, range);
  }
}

describe('a manifest', () => {
  it('comes as a patch of one that the machine has, as far as this hub has that too', async () => {
    const one = makeBuild(20_000_000);
    const two = makeBuild(500_000, 2, one);
    const hub = await startTestHub();
    hub.blobs.add(one, two);
    const short = (have: string) => hub.get(`/manifests/${two.digest}/short?have=${have}`);
    hub.keys.put(makeKey(1, two));
    await until(async () => (await hub.get(`/manifests/${two.digest}`)).status === 200);
    // Nothing is known here of what the machine has: it gets the whole.
    expect((await short(sha256('another'))).status).toBe(404);
    expect((await short('')).status).toBe(404);
    await until(async () => (await hub.get(`/manifests/${one.digest}`)).status === 200);
    const answers = await Promise.all([1, 2, 3].map(() => short(`${sha256('another')},${one.digest}`)));
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      const bytes = Buffer.from(await answer.arrayBuffer());
      expect(bytes.length).toBeLessThan(two.manifestBytes.length / 2);
      const made = expandManifest(bytes, (digest) => (digest === one.digest ? one.manifestBytes : undefined));
      expect(made && sha256(made)).toBe(two.digest);
    }
    expect(await readdir(join(hub.dataDir, 'short-manifests'))).toEqual([`${two.digest}-${one.digest}`]);
  });

  it('is not made into a patch of one that was damaged here', async () => {
    const one = makeBuild(2_000_000);
    const two = makeBuild(500_000, 2, one);
    const hub = await startTestHub();
    hub.blobs.add(one, two);
    hub.keys.put(makeKey(1, two));
    await until(async () => (await hub.get(`/manifests/${one.digest}`)).status === 200);
    await writeFile(join(hub.dataDir, 'manifests', one.digest), 'something else');
    const answer = await hub.get(`/manifests/${two.digest}/short?have=${one.digest}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    // Whatever comes is for the machine to judge: it has the digest of the whole.
    const made = answer.ok ? expandManifest(bytes, () => one.manifestBytes) : undefined;
    expect(made === undefined || sha256(made) === two.digest).toBe(true);
  });
});
