import { fork } from 'node:child_process';
import { copyFile, open, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { TestClock } from '@starling/shared/clock.ts';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeFrame, encodeHello, headerBytes, helloBytes, packBits } from './lane-frames.ts';
import type { LaneLimits } from './lane-limits.ts';
import { openSwarm } from './open-swarm.ts';
import type { BadPeer, Swarm } from './swarm.ts';
import { stockClient } from './test-stock-client.ts';
import { advanceUntil, randomPack, sha256Of, temporaryFolder, until } from './test-swarms.ts';
import { TokenBucket } from './token-bucket.ts';

const MiB = 1024 * 1024;
const askType = encodeFrame({ type: 'ask', piece: 0, isKnowing: false })[0];
const never = new AbortController().signal;
const quick: Partial<LaneLimits> = { quietAfterMs: 1_000, pingEveryMs: 200, tickMs: 50, comingMs: 500, sparedMs: 800 };

async function member(limits: Partial<LaneLimits> = quick, onBadPeer?: (bad: BadPeer) => void): Promise<Swarm> {
  const swarm = await openSwarm(
    { host: '127.0.0.1', port: 0, maxConnections: 50, ...(onBadPeer && { onBadPeer }) },
    limits,
  );
  onTestFinished(() => swarm.close());
  return swarm;
}

async function seeded(sizeBytes: number, limits?: Partial<LaneLimits>) {
  const folder = await temporaryFolder();
  const { pack, bytes } = await randomPack(join(folder, 'seed'), sizeBytes);
  const seeder = await member(limits);
  const seed = await seeder.join(pack, join(folder, 'seed'));
  return { folder, pack, bytes, seeder, seed };
}

/** A server on loopback that is not a whole member. */
async function fakeMember(onCall: (socket: Socket) => void): Promise<SwarmPeer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onCall(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

const piecesOf = (pack: Pack) => Math.ceil(pack.sizeBytes / pack.torrent.pieceLength);
const everything = (pack: Pack) => packBits(new Uint8Array(piecesOf(pack)).fill(1));

/** Answers a call as a member with every piece would. */
function welcome(socket: Socket, pack: Pack): void {
  const bits = everything(pack);
  const { infoHash } = pack.torrent;
  socket.write(
    Buffer.concat([
      encodeHello({ answer: 'welcome', infoHash, member: 'fe'.repeat(16), pieceCount: piecesOf(pack) }),
      ...[encodeFrame({ type: 'has', length: bits.length }), bits],
    ]),
  );
}

/** The pieces that a receiver asks for; what else it says has no body after its own bits. */
function onAsk(socket: Socket, pack: Pack, answer: (piece: number) => void): void {
  let said = Buffer.alloc(0);
  let start = helloBytes + headerBytes + everything(pack).length;
  socket.on('data', (bytes) => {
    said = Buffer.concat([said, bytes]);
    for (; said.length >= start + headerBytes; start += headerBytes)
      if (said[start] === askType) answer(said.readUInt32BE(start + 4));
  });
}

/** A member as a process, to be stopped and killed. */
async function memberProcess(pack: Pack, file: string) {
  const folder = await temporaryFolder();
  const program = join(folder, 'member.mjs');
  await writeFile(
    program,
    `import { openSwarm } from ${JSON.stringify(import.meta.resolve('./open-swarm.ts'))};
     const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 50 });
     await swarm.join(${JSON.stringify(pack)}, ${JSON.stringify(file)});
     process.send(swarm.address);`,
  );
  const child = fork(program, { execArgv: [] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const address = await new Promise<SwarmPeer>((resolve) =>
    child.once('message', (said) => resolve(said as SwarmPeer)),
  );
  return { child, address };
}

describe('lanes', () => {
  it('bring a pack to four members, and the seed sends hardly a piece twice', async () => {
    const { folder, pack, seeder, seed } = await seeded(24 * MiB + 77);
    const swarms = await Promise.all([0, 1, 2, 3].map(() => member({})));
    const members = await Promise.all(swarms.map((swarm, n) => swarm.join(pack, join(folder, `member-${n}`))));
    const all = [seeder, ...swarms].map(({ address }) => address);
    for (const one of members) one.setPeers(all);
    await Promise.all(members.map((one) => one.whenComplete(never)));
    for (const n of [0, 1, 2, 3]) expect(await sha256Of(join(folder, `member-${n}`))).toBe(pack.sha256);
    expect(seed.progress().bytesSent).toBeGreaterThanOrEqual(pack.sizeBytes);
    expect(seed.progress().bytesSent).toBeLessThan(1.5 * pack.sizeBytes);
    const given = [seed, ...members].reduce((sum, one) => sum + one.progress().bytesSent, 0);
    // Nothing is fetched twice but at the very end.
    expect(given).toBeLessThan(4.5 * pack.sizeBytes);
  });

  it('go on when a source is killed in the middle', async () => {
    const { folder, pack, seeder } = await seeded(16 * MiB);
    const other = join(folder, 'other');
    await copyFile(join(folder, 'seed'), other);
    const { child, address } = await memberProcess(pack, other);
    const swarm = await member();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([address]);
    await until(() => membership.progress().bytesDone > 0);
    child.kill('SIGKILL');
    membership.setPeers([address, seeder.address]);
    await membership.whenComplete(never);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });

  it('let go of a source that stands still with its connections open', async () => {
    const { folder, pack, seeder } = await seeded(8 * MiB);
    const { child, address } = await memberProcess(pack, join(folder, 'seed'));
    const swarm = await member();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([address]);
    await until(() => membership.progress().peers === 1);
    child.kill('SIGSTOP');
    await until(() => membership.progress().peers === 0);
    membership.setPeers([address, seeder.address]);
    await membership.whenComplete(never);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });

  it('name a member that sends other bytes, and ask it for nothing more', async () => {
    const { folder, pack, bytes, seeder } = await seeded(4 * MiB);
    const { pieceLength } = pack.torrent;
    let calls = 0;
    const liar = await fakeMember((socket) => {
      calls += 1;
      welcome(socket, pack);
      onAsk(socket, pack, (piece) => {
        const wrong = Buffer.from(bytes.subarray(piece * pieceLength, (piece + 1) * pieceLength));
        wrong[piece] = (wrong[piece] ?? 0) ^ 1;
        socket.write(Buffer.concat([encodeFrame({ type: 'data', piece, length: wrong.length, isFirst: true }), wrong]));
      });
    });
    const bad: BadPeer[] = [];
    const swarm = await member(quick, (one) => void bad.push(one));
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([liar]);
    await until(() => bad.length > 0);
    membership.setPeers([liar, seeder.address]);
    await membership.whenComplete(never);
    expect(bad[0]).toMatchObject({ peer: liar, infoHash: pack.torrent.infoHash });
    expect(calls).toBe(1);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });

  it.each<[string, (socket: Socket, pack: Pack) => void]>([
    [
      'offers a frame longer than its piece',
      (socket) => socket.write(encodeFrame({ type: 'data', piece: 0, length: 2 ** 31, isFirst: true })),
    ],
    [
      'sends what nobody asked for',
      (socket) => socket.write(encodeFrame({ type: 'data', piece: 3, length: 10, isFirst: false })),
    ],
    ['has pieces past the end', (socket) => socket.write(encodeFrame({ type: 'have', piece: 9_999 }))],
    ['talks like a receiver', (socket) => socket.write(encodeFrame({ type: 'ask', piece: 0, isKnowing: false }))],
  ])('end with a source that %s', async (_, say) => {
    const { folder, pack, seeder } = await seeded(MiB);
    const ended = Promise.withResolvers<void>();
    const rude = await fakeMember((socket) => {
      welcome(socket, pack);
      say(socket, pack);
      socket.once('close', () => ended.resolve());
      socket.resume();
    });
    const swarm = await member();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([rude]);
    await ended.promise;
    membership.setPeers([seeder.address]);
    await membership.whenComplete(never);
  });

  it.each<[string, (pack: Pack) => Buffer]>([
    ['asks for a piece before saying what it has', () => encodeFrame({ type: 'ask', piece: 0, isKnowing: true })],
    [
      'asks for the same piece twice',
      (pack) => {
        const ask = encodeFrame({ type: 'ask', piece: 0, isKnowing: true });
        const bits = Buffer.alloc(everything(pack).length);
        return Buffer.concat([
          encodeFrame({ type: 'has', length: bits.length }),
          bits,
          ...Array.from({ length: 99 }, () => ask),
        ]);
      },
    ],
    ['sends data', () => encodeFrame({ type: 'data', piece: 0, length: 10, isFirst: true })],
  ])('end with a receiver that %s', async (_, said) => {
    const { pack, seeder } = await seeded(MiB);
    const { infoHash } = pack.torrent;
    const socket = connect(seeder.address);
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(encodeHello({ answer: 'welcome', infoHash, member: 'ab'.repeat(16), pieceCount: piecesOf(pack) }));
    socket.write(said(pack));
    await new Promise((resolve) => socket.once('close', resolve));
  });

  it('do not wait at the end for a source that is slow', async () => {
    const { folder, pack, bytes, seeder } = await seeded(6 * MiB);
    const { pieceLength } = pack.torrent;
    // It sends a little of what it is asked for, and then only says that it is there.
    const slow = await fakeMember((socket) => {
      welcome(socket, pack);
      onAsk(socket, pack, (piece) => {
        const few = bytes.subarray(piece * pieceLength, piece * pieceLength + 10);
        if (!socket.destroyed && socket.listenerCount('drain') === 0) {
          socket.on('drain', () => undefined);
          socket.write(Buffer.concat([encodeFrame({ type: 'data', piece, length: few.length, isFirst: true }), few]));
        }
      });
    });
    const swarm = await member({ ...quick, quietAfterMs: 60_000 });
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([slow]);
    await until(() => membership.progress().peers === 1);
    membership.setPeers([slow, seeder.address]);
    await membership.whenComplete(never);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });

  it('fetch within the memory that they may have, though it is one piece', async () => {
    const { folder, pack, seeder } = await seeded(10 * MiB);
    const others = await Promise.all([0, 1].map(() => member()));
    const members = await Promise.all(others.map((swarm, n) => swarm.join(pack, join(folder, `other-${n}`))));
    for (const one of members) one.setPeers([seeder.address]);
    await Promise.all(members.map((one) => one.whenComplete(never)));
    const swarm = await member({ ...quick, receiveBudgetBytes: 1 });
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([seeder.address, ...others.map(({ address }) => address)]);
    await membership.whenComplete(never);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });

  it('take up at the file again what a killed member had', async () => {
    const { folder, pack, seeder } = await seeded(16 * MiB);
    const file = join(folder, 'member');
    const script = join(folder, 'fetch.mjs');
    await writeFile(
      script,
      `import { openSwarm } from ${JSON.stringify(import.meta.resolve('./open-swarm.ts'))};
       const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 50 });
       const membership = await swarm.join(${JSON.stringify(pack)}, ${JSON.stringify(file)});
       membership.setPeers([${JSON.stringify(seeder.address)}]);
       while (membership.progress().bytesDone === 0) await new Promise((resolve) => setTimeout(resolve, 1));
       process.kill(process.pid, 'SIGKILL');`,
    );
    const child = fork(script, { execArgv: [] });
    await new Promise((resolve) => child.once('exit', resolve));
    expect((await stat(file)).size).toBeGreaterThan(0);
    const swarm = await member();
    const membership = await swarm.join(pack, file);
    expect(membership.progress().bytesDone).toBeGreaterThan(0);
    membership.setPeers([seeder.address]);
    await membership.whenComplete(never);
    expect(await sha256Of(file)).toBe(pack.sha256);
  });

  it('bring a member into its rack no more than it may, until it may', async () => {
    const { folder, pack, seeder } = await seeded(4 * MiB);
    const capped = await (await member()).join(pack, join(folder, 'capped'));
    const free = await (await member()).join(pack, join(folder, 'free'));
    capped.setPeers([seeder.address], { index: 0, of: 1, bytesPerSecond: 1 });
    await until(() => capped.progress().bytesDone > 0);
    free.setPeers([seeder.address]);
    await free.whenComplete(never);
    // One piece may begin when nothing is owed.
    expect(capped.progress().bytesDone).toBe(pack.torrent.pieceLength);
    capped.setPeers([seeder.address], { index: 0, of: 1 });
    await capped.whenComplete(never);
  });

  it('end the membership when the seed cannot read what it has', async () => {
    const { folder, pack, seeder, seed } = await seeded(4 * MiB);
    const file = await open(join(folder, 'seed'), 'r+');
    await file.truncate(0);
    await file.close();
    const swarm = await member();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([seeder.address]);
    await until(() => seed.leave().then(() => true));
    expect(membership.progress().bytesDone).toBe(0);
  });
});

describe('who speaks BitTorrent only', () => {
  it('is fetched from, and gets what lanes brought', async () => {
    const { folder, pack, seeder } = await seeded(3 * MiB);
    const stock = await stockClient(pack, join(folder, 'seed'));
    const swarm = await member();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([stock.address]);
    await membership.whenComplete(never);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);

    const other = await member();
    const passingOn = await other.join(pack, join(folder, 'other'));
    const empty = await stockClient(pack, join(folder, 'empty'));
    empty.call(other.address);
    passingOn.setPeers([seeder.address]);
    await until(() => empty.isDone());
    expect(await sha256Of(join(folder, 'empty'))).toBe(pack.sha256);
  });

  it('bring a newcomer its first piece while others take all that the sender gives', async () => {
    const busy = { quietAfterMs: 60_000, slowAfterMs: 600_000, sendingAtOnce: 2, windowBytes: 0 };
    const { folder, pack, seeder, seed } = await seeded(4 * MiB, { ...quick, ...busy });
    const { infoHash } = pack.torrent;
    const pieceCount = piecesOf(pack);
    const bits = packBits(Uint8Array.from({ length: pieceCount }, (_, piece) => Number(piece === 0)));
    // They take pieces and never say that they have them, so their places stay taken.
    for (const name of ['aa', 'bb']) {
      const socket = connect(seeder.address);
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => undefined);
      socket.resume();
      const asks = [1, 2, 3].map((piece) => encodeFrame({ type: 'ask', piece, isKnowing: true }));
      const hello = encodeHello({ answer: 'welcome', infoHash, member: name.repeat(16), pieceCount });
      socket.write(Buffer.concat([hello, encodeFrame({ type: 'has', length: bits.length }), bits, ...asks]));
    }
    await until(() => seed.progress().bytesSent >= 2 * pack.torrent.pieceLength);
    const swarm = await member();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([seeder.address]);
    await until(() => membership.progress().bytesHere > 0);
  });

  it.each([
    ['receives', 1],
    ['is sent', 0],
  ])('bring no more a second than a member %s', async (_, limited) => {
    const clock = new TestClock();
    const bucket = new TokenBucket(() => MiB, clock);
    const rates = [{ sending: bucket }, { receiving: bucket }].map((limit, side) => (side === limited ? limit : {}));
    const folder = await temporaryFolder();
    const { pack } = await randomPack(join(folder, 'seed'), 6 * MiB);
    const base = { host: '127.0.0.1', port: 0, maxConnections: 50 };
    const [seeder, swarm] = await Promise.all(rates.map((limit) => openSwarm({ ...base, ...limit }, quick)));
    onTestFinished(async () => void (await Promise.all([seeder?.close(), swarm?.close()])));
    await seeder?.join(pack, join(folder, 'seed'));
    const membership = await swarm?.join(pack, join(folder, 'member'));
    const startedAt = clock.now();
    membership?.setPeers(seeder ? [seeder.address] : []);
    await advanceUntil(clock, () => membership?.progress().bytesDone === pack.sizeBytes);
    // All but the last piece had to be earned before it.
    const seconds = (clock.now() - startedAt) / 1_000;
    expect(seconds * MiB).toBeGreaterThanOrEqual(pack.sizeBytes - pack.torrent.pieceLength);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });
});
