import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ThreadPool } from './thread-pool.ts';

describe('ThreadPool', () => {
  let pool: ThreadPool;
  beforeEach(() => {
    pool = new ThreadPool({
      threads: 2,
      streams: { self: [{ name: 'self', path: import.meta.filename, sizeBytes: 100 }] },
    });
  });
  afterEach(() => pool.close());

  const hash = (start: number) => ({ stream: 'self', ranges: [[start, 10]] as [number, number][] });

  it('gives results in the order of the items, with few of them under way', async () => {
    const starts = Array.from({ length: 40 }, (_, index) => index);
    let [begun, mostAhead] = [0, 0];
    const taken: number[] = [];
    const items = function* () {
      for (const start of starts) {
        begun += 1;
        mostAhead = Math.max(mostAhead, begun - taken.length);
        yield start;
      }
    };
    await pool.each('hash', items(), hash, ({ digests }, start) => {
      expect(digests).toHaveLength(32);
      taken.push(start);
    });
    expect(taken).toEqual(starts);
    expect(mostAhead).toBeLessThanOrEqual(5);
  });

  it('ends at the first failure, and goes on with other work', async () => {
    const taken: number[] = [];
    const failing = pool.each('hash', [0, 95, 1, 2], hash, (_result, start) => {
      taken.push(start);
    });
    await expect(failing).rejects.toThrow(/were expected/);
    expect(taken).toEqual([0]);
    expect((await pool.run('hash', hash(0))).digests).toHaveLength(32);
  });

  it('keeps the code of what the file system says', async () => {
    const files = [{ path: '/dev/null/file', sizeBytes: 1, executable: false }];
    await expect(pool.run('makeFiles', { files })).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it('refuses work after its end, and what was under way', async () => {
    const running = pool.run('hash', hash(0));
    const ended = expect(running).rejects.toThrow(/ended/);
    await pool.close();
    await ended;
    await expect(pool.run('hash', hash(0))).rejects.toThrow(/ended/);
  });
});
