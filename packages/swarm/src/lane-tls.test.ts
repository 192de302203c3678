import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { generate } from 'selfsigned';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeHello, laneMagic } from './lane-frames.ts';
import { LaneKeys } from './lane-keys.ts';
import type { LaneLimits } from './lane-limits.ts';
import { openSwarm } from './open-swarm.ts';
import type { Swarm, Unproven } from './swarm.ts';
import { stockClient } from './test-stock-client.ts';
import { randomPack, sha256Of, temporaryFolder, until } from './test-swarms.ts';

const MiB = 1024 * 1024;
const never = new AbortController().signal;
const quick: Partial<LaneLimits> = { tickMs: 20, quietAfterMs: 2_000, pingEveryMs: 200 };
const newSecret = () => randomBytes(32).toString('base64');

interface Sealed {
  swarm: Swarm;
  keys: LaneKeys;
  unproven: Unproven[];
}

/** A member that knows these secrets of the project `hello`; without a mode it speaks in clear alone. */
async function member(secrets: string[], mode?: 'required' | 'preferred'): Promise<Sealed> {
  const keys = new LaneKeys();
  keys.set('hello', secrets);
  const unproven: Unproven[] = [];
  const swarm = await openSwarm(
    {
      ...{ host: '127.0.0.1', port: 0, maxConnections: 50, onUnproven: (one: Unproven) => void unproven.push(one) },
      ...(mode && { encryption: { mode, keys } }),
    },
    quick,
  );
  onTestFinished(() => swarm.close());
  return { swarm, keys, unproven };
}

async function seeded(secrets: string[], mode?: 'required' | 'preferred') {
  const folder = await temporaryFolder();
  const { pack } = await randomPack(join(folder, 'seed'), 4 * MiB);
  const seeder = await member(secrets, mode);
  const seed = await seeder.swarm.join(pack, join(folder, 'seed'), { project: 'hello' });
  return { folder, pack, seeder, seed };
}

async function listening(server: {
  address(): unknown;
  listen(port: number, host: string, done: () => void): unknown;
}) {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

/** Passes on what goes to a member and comes from it, and keeps a copy. */
async function tapped(peer: SwarmPeer) {
  const said: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const onward = connect(peer);
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (bytes) => {
        said.push(bytes);
        to.write(bytes);
      });
      from.once('close', () => to.destroy());
    }
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address: await listening(server), said };
}

describe('encrypted lanes', () => {
  it('bring a pack, and nothing of it, nor its name, can be read on the way', async () => {
    const secret = newSecret();
    const { folder, pack, seeder } = await seeded([secret], 'required');
    const { address, said } = await tapped(seeder.swarm.address);
    const { swarm } = await member([secret], 'required');
    const membership = await swarm.join(pack, join(folder, 'member'), { project: 'hello' });
    membership.setPeers([address]);
    await membership.whenComplete(never);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
    const wire = Buffer.concat(said);
    expect(wire.length).toBeGreaterThan(pack.sizeBytes);
    expect(wire.includes(laneMagic)).toBe(false);
    expect(wire.includes(Buffer.from(pack.torrent.infoHash, 'hex'))).toBe(false);
  });

  it.each([
    ['a newer secret, and the one that the other has', ['new', 'old'], ['old']],
    ['the earlier secret, which the other still takes', ['old'], ['new', 'old']],
  ])('are agreed on with %s', async (_, own, theirs) => {
    const secrets: Record<string, string> = { new: newSecret(), old: newSecret() };
    const named = (names: string[]) => names.map((name) => secrets[name] as string);
    const { folder, pack, seeder } = await seeded(named(theirs), 'required');
    const { swarm, unproven } = await member(named(own), 'required');
    const membership = await swarm.join(pack, join(folder, 'member'), { project: 'hello' });
    membership.setPeers([seeder.swarm.address]);
    await membership.whenComplete(never);
    expect(unproven).toEqual([]);
  });

  it('give nothing to a member without the key, which is told once and does not call again and again', async () => {
    const { folder, pack, seeder, seed } = await seeded([newSecret()], 'required');
    const { swarm, keys, unproven } = await member([newSecret(), newSecret()], 'required');
    const membership = await swarm.join(pack, join(folder, 'member'), { project: 'hello' });
    membership.setPeers([seeder.swarm.address]);
    await until(() => unproven.length > 0);
    expect(unproven).toEqual([{ ...seeder.swarm.address, hasCalled: false }]);
    // A pause that is over when something else was done several times.
    const calls = seeder.unproven.length;
    for (let turn = 0; turn < 5; turn += 1) {
      const other = await member([newSecret()], 'required');
      const late = await other.swarm.join(pack, join(folder, `late-${turn}`), { project: 'hello' });
      late.setPeers([seeder.swarm.address]);
      await until(() => other.unproven.length > 0);
    }
    expect(calls).toBe(2);
    expect(seeder.unproven).toHaveLength(7);
    expect(seeder.unproven.every(({ hasCalled }) => hasCalled)).toBe(true);
    expect(seed.progress().bytesSent).toBe(0);
    expect(membership.progress().bytesHere).toBe(0);
    keys.set('hello', []);
  });

  it('are refused to whoever speaks in clear: lanes and stock clients', async () => {
    const { folder, pack, seeder, seed } = await seeded([newSecret()], 'required');
    const { swarm } = await member([]);
    const plain = await swarm.join(pack, join(folder, 'plain'));
    plain.setPeers([seeder.swarm.address]);
    const stock = await stockClient(pack, join(folder, 'stock'));
    stock.call(seeder.swarm.address);
    await until(() => seeder.unproven.length >= 2);
    const pieceCount = Math.ceil(pack.sizeBytes / pack.torrent.pieceLength);
    const socket = connect(seeder.swarm.address);
    const answered: Buffer[] = [];
    socket.on('data', (bytes) => answered.push(bytes));
    socket.on('error', () => undefined);
    const { infoHash } = pack.torrent;
    socket.write(encodeHello({ answer: 'welcome', infoHash, member: 'ab'.repeat(16), pieceCount }));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answered).toEqual([]);
    expect(seed.progress().bytesSent).toBe(0);
    expect(await stat(join(folder, 'plain')).then(({ blocks }) => blocks)).toBe(0);
  });

  it('are not agreed on with one that shows a certificate in place of the key', async () => {
    const { folder, pack } = await seeded([newSecret()], 'required');
    const { private: key, cert } = await generate([{ name: 'commonName', value: '127.0.0.1' }]);
    const heard: Buffer[] = [];
    const server = createTlsServer({ key, cert }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => heard.push(bytes));
    });
    onTestFinished(() => void server.close());
    const { swarm, unproven } = await member([newSecret()], 'required');
    const membership = await swarm.join(pack, join(folder, 'member'), { project: 'hello' });
    membership.setPeers([await listening(server)]);
    await until(() => unproven.length > 0);
    expect(heard).toEqual([]);
  });

  it.each([
    ['calls', 'preferred', undefined],
    ['is called by', undefined, 'preferred'],
  ] as const)('are done without where one that only prefers them %s one that knows none', async (_, own, theirs) => {
    const secret = newSecret();
    const { folder, pack, seeder } = await seeded([secret], theirs);
    const { swarm } = await member([secret], own);
    const membership = await swarm.join(pack, join(folder, 'member'), { project: 'hello' });
    membership.setPeers([seeder.swarm.address]);
    await membership.whenComplete(never);
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });

  it('begin as soon as a secret is known', async () => {
    const secret = newSecret();
    const { folder, pack, seeder } = await seeded([secret], 'required');
    const { swarm, keys } = await member([], 'required');
    const membership = await swarm.join(pack, join(folder, 'member'), { project: 'hello' });
    membership.setPeers([seeder.swarm.address]);
    keys.set('hello', [secret]);
    await membership.whenComplete(never);
  });
});
