import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobSource, BlobStore } from './blob-store.ts';
import { bytesSource } from './file-source.ts';

export interface StoreUnderTest {
  /** Opens the same place once more, as another process would. */
  open(): BlobStore;
  /** The size of the parts an upload is made of, in bytes. */
  partSizeBytes: number;
  /** A store that cannot be reached or written to. */
  openBroken(): BlobStore;
  close(): Promise<void>;
}

/** A source that breaks when it is read beyond `breakAt`, and remembers where it was read. */
function brittleSource(bytes: Buffer, breakAt = Number.POSITIVE_INFINITY): BlobSource & { reads: [number, number][] } {
  const reads: [number, number][] = [];
  return {
    reads,
    sizeBytes: bytes.length,
    read(start, end) {
      reads.push([start, end]);
      if (start >= breakAt)
        return new Readable({
          read() {
            this.destroy(new Error('the source broke'));
          },
        });
      return Readable.from([bytes.subarray(start, end)]);
    },
  };
}

const keysOf = async (store: BlobStore, prefix: string) => {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
};

const read = async (store: BlobStore, key: string, range?: { start: number; end: number }) =>
  buffer(await store.read(key, range));

/** What every blob store must do, whatever it is made of. */
export function describeBlobStore(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a blob store`, () => {
    let under: StoreUnderTest;
    let store: BlobStore;
    let count = 0;
    const freshKey = () => `packs/${createHash('sha256').update(`${name} ${count++}`).digest('hex')}`;

    beforeAll(async () => {
      under = await start();
      store = under.open();
    });
    afterAll(() => under?.close());

    it('gives back what was stored, whole and in ranges', async () => {
      const key = freshKey();
      const bytes = randomBytes(100_000);
      await store.upload(key, bytesSource(bytes));
      expect(await store.sizeOf(key)).toBe(bytes.length);
      expect((await read(store, key)).equals(bytes)).toBe(true);
      expect(await read(store, key, { start: 0, end: 1 })).toEqual(bytes.subarray(0, 1));
      expect((await read(store, key, { start: 70_000, end: 100_000 })).equals(bytes.subarray(70_000))).toBe(true);
      expect(await read(store, key, { start: 500, end: 500 })).toHaveLength(0);
    });

    it('refuses ranges that do not lie in the blob', async () => {
      const key = freshKey();
      await store.upload(key, bytesSource(Buffer.from('0123456789')));
      for (const range of [
        { start: 5, end: 11 },
        { start: 10, end: 12 },
        { start: 50, end: 60 },
        { start: 6, end: 5 },
        { start: -1, end: 5 },
      ])
        await expect(store.read(key, range), JSON.stringify(range)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    });

    it('stores an empty blob', async () => {
      const key = freshKey();
      await store.upload(key, bytesSource(Buffer.alloc(0)));
      expect(await store.sizeOf(key)).toBe(0);
      expect(await read(store, key)).toHaveLength(0);
    });

    it('says that there is none where there is none', async () => {
      const key = freshKey();
      expect(await store.sizeOf(key)).toBeUndefined();
      await expect(store.read(key)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(store.read(key, { start: 0, end: 4 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await store.delete(key);
    });

    it('deletes', async () => {
      const key = freshKey();
      await store.upload(key, bytesSource(Buffer.from('short-lived')));
      await store.delete(key);
      expect(await store.sizeOf(key)).toBeUndefined();
    });

    it('lists the keys below a prefix in order', async () => {
      const keys = ['list/b/2', 'list/a', 'list/b-c', 'list/b/1', 'list/b.d', 'listed'];
      for (const key of keys) await store.upload(key, bytesSource(Buffer.from(key)));
      expect(await keysOf(store, 'list/')).toEqual(keys.filter((key) => key !== 'listed').sort());
      expect(await keysOf(store, 'list/b/')).toEqual(['list/b/1', 'list/b/2']);
      expect(await keysOf(store, 'list/b')).toEqual(['list/b-c', 'list/b.d', 'list/b/1', 'list/b/2']);
      expect(await keysOf(store, 'list')).toEqual(keys.toSorted());
      expect(await keysOf(store, 'none/')).toEqual([]);
    });

    it.each(['', '/abs', '../up', 'a/../b', 'a//b', 'a/', '.hidden', 'a b', 'a\\b', 'x.partial', 'a'.repeat(600)])(
      'refuses the key %j',
      async (key) => {
        await expect(store.upload(key, bytesSource(Buffer.from('x')))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
        await expect(store.read(key)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
        await expect(store.sizeOf(key)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      },
    );

    it('goes on with an interrupted upload, and shows nothing of it until it is whole', async () => {
      const key = freshKey();
      const bytes = randomBytes(Math.floor(under.partSizeBytes * 3.5));
      const broken = brittleSource(bytes, 2 * under.partSizeBytes);
      await expect(store.upload(key, broken)).rejects.toThrow();
      expect(await store.sizeOf(key)).toBeUndefined();
      expect(await keysOf(store, key)).toEqual([]);

      const whole = brittleSource(bytes);
      const progress: number[] = [];
      await under.open().upload(key, whole, { onProgress: (bytesDone) => progress.push(bytesDone) });
      const readAgain = whole.reads.reduce((sum, [start, end]) => sum + end - start, 0);
      expect(readAgain).toBeLessThan(bytes.length);
      expect(progress[0]).toBeGreaterThan(0);
      expect(progress).toEqual(progress.toSorted((a, b) => a - b));
      expect(progress.at(-1)).toBe(bytes.length);
      expect((await read(store, key)).equals(bytes)).toBe(true);
    });

    it('does not send a blob that is there already', async () => {
      const key = freshKey();
      const bytes = randomBytes(1_000);
      await store.upload(key, bytesSource(bytes));
      const again = brittleSource(bytes);
      await store.upload(key, again);
      expect(again.reads).toEqual([]);
    });

    it('stops when told to, and can be asked again', async () => {
      const key = freshKey();
      const bytes = randomBytes(under.partSizeBytes * 2 + 1);
      const stop = new AbortController();
      const upload = store.upload(key, bytesSource(bytes), {
        signal: stop.signal,
        onProgress: () => stop.abort(new Error('that is enough')),
      });
      await expect(upload).rejects.toThrow('that is enough');
      expect(await store.sizeOf(key)).toBeUndefined();
      await store.upload(key, bytesSource(bytes));
      expect((await read(store, key)).equals(bytes)).toBe(true);
    });

    it('refuses a source that is shorter or longer than it says', async () => {
      for (const error of [-1, 1]) {
        const key = freshKey();
        const bytes = randomBytes(5_000);
        const lying = { sizeBytes: bytes.length - error, read: () => Readable.from([bytes]) };
        await expect(store.upload(key, lying)).rejects.toThrow(/gave/);
        expect(await store.sizeOf(key)).toBeUndefined();
      }
    });

    it('survives several writers of the same blob', async () => {
      const key = freshKey();
      const bytes = randomBytes(Math.floor(under.partSizeBytes * 2.5));
      await Promise.all([1, 2, 3].map(() => under.open().upload(key, bytesSource(bytes))));
      expect((await read(store, key)).equals(bytes)).toBe(true);
    });

    it('names itself when it cannot be used', async () => {
      const broken = under.openBroken();
      await expect(broken.upload(freshKey(), bytesSource(Buffer.from('x')))).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining(broken.description.split(' ').at(-1) ?? ''),
        fix: expect.any(String),
      });
    });
  });
}
