import { appendFile, copyFile, open, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PieceBook } from './piece-book.ts';
import { piecesIn, runsOf } from './piece-ranges.ts';
import { recordPath } from './piece-record.ts';
import { stockClient } from './test-stock-client.ts';
import { loopbackSwarm, packOf, randomPack, sha256Of, temporaryFolder, until } from './test-swarms.ts';

const MiB = 1024 * 1024;
const never = new AbortController().signal;

describe('piecesIn', () => {
  it('names the pieces that hold a wanted byte, and no others', () => {
    const range = fc.tuple(fc.nat(1_000), fc.nat(1_000)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 5 }), fc.integer({ min: 1, max: 300 }), (ranges, pieceLength) => {
        const shape = { sizeBytes: 1_000, pieceLength, pieceCount: Math.ceil(1_000 / pieceLength) };
        const expected = new Uint8Array(shape.pieceCount);
        for (const [start, end] of ranges)
          for (let byte = start; byte < end; byte += 1) expected[Math.floor(byte / pieceLength)] = 1;
        expect(piecesIn(ranges, shape)).toEqual(expected);
      }),
    );
  });

  it.each([
    [-1, 5],
    [5, 4],
    [0, 11],
    [0.5, 3],
    [0, Number.NaN],
  ] as const)('refuses %d to %d', (start, end) => {
    expect(() => piecesIn([[start, end]], { sizeBytes: 10, pieceLength: 4, pieceCount: 3 })).toThrow('no bytes');
  });

  it('is put together again from its runs', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1)), (bits) => {
        const pieces = Uint8Array.from(bits);
        const again = new Uint8Array(bits.length);
        const runs = runsOf(pieces);
        for (const [first, last] of runs) again.fill(1, first, last + 1);
        expect(again).toEqual(pieces);
        for (const [index, [first]] of runs.entries()) expect(first).toBeGreaterThan((runs[index - 1]?.[1] ?? -2) + 1);
      }),
    );
  });
});

describe('PieceBook', () => {
  it('counts the same whatever the order in which pieces come and are wanted', () => {
    const bits = fc.array(fc.constantFrom(0, 1), { minLength: 9, maxLength: 9 });
    const step = fc.oneof(
      fc.record({ mark: fc.nat(8) }),
      fc.record({ want: bits.map((flags) => Uint8Array.from(flags)) }),
    );
    fc.assert(
      fc.property(bits, bits, fc.array(step, { maxLength: 12 }), (has, wanted, steps) => {
        const shape = { sizeBytes: 85, pieceLength: 10, pieceCount: 9 };
        const book = new PieceBook(shape, Uint8Array.from(has), Uint8Array.from(wanted));
        for (const step of steps) 'mark' in step ? book.mark(step.mark) : book.want(step.want);
        const bytesOf = (isCounted: (piece: number) => unknown) =>
          [...book.has.keys()].filter(isCounted).reduce((sum, piece) => sum + (piece === 8 ? 5 : 10), 0);
        expect(book.bytesHere).toBe(bytesOf((piece) => book.has[piece]));
        expect(book.bytesWanted).toBe(bytesOf((piece) => book.wanted[piece]));
        expect(book.bytesDone).toBe(bytesOf((piece) => book.has[piece] && book.wanted[piece]));
        expect(book.isComplete).toBe(book.bytesDone === book.bytesWanted);
        expect(book.isWhole).toBe(book.bytesHere === 85);
      }),
    );
  });
});

async function seeded(sizeBytes = 12 * MiB) {
  const folder = await temporaryFolder();
  const { pack, bytes } = await randomPack(join(folder, 'seed'), sizeBytes);
  const seeder = await loopbackSwarm();
  const seed = await seeder.join(pack, join(folder, 'seed'));
  const { pieceLength } = pack.torrent;
  return { folder, pack, bytes, seeder, seed, pieceLength };
}

describe('a membership of ranges', () => {
  it('fetches the pieces that touch them and no more, and serves them', async () => {
    const { folder, pack, bytes, seeder, seed, pieceLength } = await seeded();
    const ranges = [
      [10, 2 * pieceLength - 1],
      [5 * pieceLength, 5 * pieceLength + 1],
    ] as const;
    const first = await loopbackSwarm();
    const member = await first.join(pack, join(folder, 'first'), { ranges });
    expect(member.progress()).toMatchObject({ bytesDone: 0, bytesTotal: 3 * pieceLength, bytesHere: 0 });
    member.setPeers([seeder.address]);
    await member.whenComplete(never);
    expect(member.progress()).toMatchObject({ bytesDone: 3 * pieceLength, bytesHere: 3 * pieceLength });
    const fetched = await readFile(join(folder, 'first'));
    for (const [start, end] of ranges) expect(fetched.subarray(start, end)).toEqual(bytes.subarray(start, end));
    expect(seed.progress().bytesSent).toBe(3 * pieceLength);

    await seed.leave();
    const second = await loopbackSwarm();
    const other = await second.join(pack, join(folder, 'second'), { ranges: [[0, 20]] });
    other.setPeers([first.address]);
    await other.whenComplete(never);
    expect(other.progress().bytesHere).toBe(pieceLength);
    expect((await readFile(join(folder, 'second'))).subarray(0, 20)).toEqual(bytes.subarray(0, 20));
  });

  it('is complete at once when it wants nothing, and may be widened again and again', async () => {
    const { folder, pack, seeder, seed, pieceLength } = await seeded();
    const swarm = await loopbackSwarm();
    const file = join(folder, 'member');
    const member = await swarm.join(pack, file, { ranges: [] });
    member.setPeers([seeder.address]);
    await member.whenComplete(never);
    expect(seed.progress().bytesSent).toBe(0);
    member.widen([[pieceLength, 3 * pieceLength]]);
    const complete = member.whenComplete(never);
    member.widen([[2 * pieceLength, 4 * pieceLength]]);
    await complete;
    expect(member.progress()).toMatchObject({ bytesDone: 3 * pieceLength, bytesTotal: 3 * pieceLength });
    expect(() => member.widen([[0, pack.sizeBytes + 1]])).toThrow('no bytes');
    member.widen([[0, pack.sizeBytes]]);
    await member.whenComplete(never);
    expect(await sha256Of(file)).toBe(pack.sha256);
    expect(seed.progress().bytesSent).toBe(pack.sizeBytes);
  });

  it('reaches through members that have other ranges', async () => {
    const { folder, pack, seeder, pieceLength } = await seeded();
    const half = 24 * pieceLength;
    const [a, b, c] = [await loopbackSwarm(), await loopbackSwarm(), await loopbackSwarm()];
    const first = await a.join(pack, join(folder, 'a'), { ranges: [[0, half]] });
    const second = await b.join(pack, join(folder, 'b'), { ranges: [[half, pack.sizeBytes]] });
    const third = await c.join(pack, join(folder, 'c'));
    for (const one of [first, second]) one.setPeers([seeder.address, a.address, b.address, c.address]);
    third.setPeers([a.address, b.address]);
    await third.whenComplete(never);
    expect(await sha256Of(join(folder, 'c'))).toBe(pack.sha256);
  });

  it('asks stock clients for them only', async () => {
    const { folder, pack, seeder, pieceLength } = await seeded();
    await seeder.close();
    const stock = await stockClient(pack, join(folder, 'seed'));
    const swarm = await loopbackSwarm();
    const ranges = [
      [0, 1],
      [3 * pieceLength, 6 * pieceLength],
      [pack.sizeBytes - 1, pack.sizeBytes],
    ] as const;
    const member = await swarm.join(pack, join(folder, 'member'), { ranges });
    member.setPeers([stock.address]);
    await member.whenComplete(never);
    expect(member.progress()).toMatchObject({ bytesDone: 5 * pieceLength, bytesHere: 5 * pieceLength });
    member.widen([[7 * pieceLength, 8 * pieceLength]]);
    await member.whenComplete(never);
    expect(member.progress().bytesHere).toBe(6 * pieceLength);
  });
});

describe('what is noted of a file with holes', () => {
  async function partial() {
    const scene = await seeded();
    const file = join(scene.folder, 'member');
    const ranges = [[3 * scene.pieceLength, 5 * scene.pieceLength]] as const;
    const swarm = await loopbackSwarm();
    const member = await swarm.join(scene.pack, file, { ranges });
    member.setPeers([scene.seeder.address]);
    await member.whenComplete(never);
    await swarm.close();
    return { ...scene, file, ranges };
  }
  const noted = async (file: string) => (await readFile(recordPath(file))).subarray(52).reduce((sum, bit) => sum + bit);

  it('lets the next membership find its pieces', async () => {
    const { pack, file, ranges, pieceLength } = await partial();
    expect(await noted(file)).toBe(2);
    const member = await (await loopbackSwarm()).join(pack, file, { ranges });
    await member.whenComplete(never);
    expect(member.progress().bytesHere).toBe(2 * pieceLength);
  });

  it('is not believed without the bytes', async () => {
    const { pack, file, pieceLength } = await partial();
    const pieces = await open(file, 'r+');
    await pieces.write(Buffer.from('wrong'), 0, 5, 3 * pieceLength);
    await pieces.close();
    const member = await (await loopbackSwarm()).join(pack, file);
    expect(member.progress().bytesHere).toBe(pieceLength);
  });

  it('is not believed of another file, nor when it is torn', async () => {
    const { folder, pack, file, pieceLength } = await partial();
    const copy = join(folder, 'copy');
    await copyFile(join(folder, 'seed'), copy);
    await copyFile(recordPath(file), recordPath(copy));
    const whole = await (await loopbackSwarm()).join(pack, copy);
    expect(whole.progress().bytesHere).toBe(pack.sizeBytes);
    await writeFile(recordPath(file), (await readFile(recordPath(file))).subarray(0, 60));
    const member = await (await loopbackSwarm()).join(pack, file);
    expect(member.progress().bytesHere).toBe(2 * pieceLength);
  });

  it('may be deleted, and is gone once the pack is whole', async () => {
    const { pack, file, seeder, pieceLength } = await partial();
    await unlink(recordPath(file));
    const swarm = await loopbackSwarm();
    const member = await swarm.join(pack, file);
    expect(member.progress().bytesHere).toBe(2 * pieceLength);
    member.setPeers([seeder.address]);
    await member.whenComplete(never);
    await until(() =>
      stat(recordPath(file)).then(
        () => false,
        () => true,
      ),
    );
  });

  it('is not there for packs that need none', async () => {
    const folder = await temporaryFolder();
    const bytes = Buffer.alloc(2 * MiB, 3);
    const pack = packOf(bytes);
    await writeFile(join(folder, 'pack'), bytes.subarray(0, MiB));
    await appendFile(join(folder, 'pack'), bytes.subarray(MiB));
    await (await loopbackSwarm()).join(pack, join(folder, 'pack'));
    await expect(stat(recordPath(join(folder, 'pack')))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
