import { execFile } from 'node:child_process';
import { copyFile, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openSwarm } from './open-swarm.ts';
import { loopbackSwarm, randomPack, sha256Of, temporaryFolder, until } from './test-swarms.ts';

const MiB = 1024 * 1024;
const never = new AbortController().signal;

async function seeded(sizeBytes: number) {
  const folder = await temporaryFolder();
  const { pack, bytes } = await randomPack(join(folder, 'seed'), sizeBytes);
  const seeder = await loopbackSwarm();
  const seed = await seeder.join(pack, join(folder, 'seed'));
  return { folder, pack, bytes, seeder, seed };
}

describe('openSwarm', () => {
  it('moves a pack to two members who also fetch from each other', async () => {
    const { folder, pack, seeder, seed } = await seeded(40 * MiB + 4_321);
    await seed.whenComplete(never);
    const [a, b] = [await loopbackSwarm(), await loopbackSwarm()];
    const memberOfA = await a.join(pack, join(folder, 'a'));
    const memberOfB = await b.join(pack, join(folder, 'b'));
    memberOfA.setPeers([seeder.address, b.address, a.address]);
    memberOfB.setPeers([seeder.address, a.address]);
    await Promise.all([memberOfA.whenComplete(never), memberOfB.whenComplete(never)]);
    expect(await sha256Of(join(folder, 'a'))).toBe(pack.sha256);
    expect(await sha256Of(join(folder, 'b'))).toBe(pack.sha256);
    expect(memberOfA.progress()).toMatchObject({ bytesDone: pack.sizeBytes, bytesTotal: pack.sizeBytes });
    // Who has everything lets go of others who have everything.
    await until(() => [seed, memberOfA, memberOfB].every((member) => member.progress().peers === 0));
  });

  it('goes on over the same file after it was cut off, without fetching again what is there', async () => {
    const { folder, pack, seeder, seed } = await seeded(20 * MiB);
    const half = join(folder, 'half');
    await copyFile(join(folder, 'seed'), half);
    await truncate(half, 10 * MiB);
    const halfSeeder = await loopbackSwarm();
    await halfSeeder.join(pack, half);
    const first = await loopbackSwarm();
    const file = join(folder, 'member');
    const membership = await first.join(pack, file);
    membership.setPeers([halfSeeder.address]);
    await until(() => membership.progress().bytesDone === 10 * MiB);
    await first.close();

    const resumed = await (await loopbackSwarm()).join(pack, file);
    expect(resumed.progress().bytesDone).toBe(10 * MiB);
    resumed.setPeers([seeder.address]);
    await resumed.whenComplete(never);
    expect(await sha256Of(file)).toBe(pack.sha256);
    expect(seed.progress().bytesSent).toBe(10 * MiB);
  });

  it('fetches a piece again when a byte of it changed on disk, and only that piece', async () => {
    const { folder, pack, bytes, seeder } = await seeded(10 * MiB);
    const file = join(folder, 'member');
    await copyFile(join(folder, 'seed'), file);
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from([bytes[5 * MiB]! ^ 1]), 0, 1, 5 * MiB);
    await handle.close();

    const swarm = await loopbackSwarm();
    const membership = await swarm.join(pack, file);
    expect(membership.progress().bytesDone).toBe(pack.sizeBytes - pack.torrent.pieceLength);
    membership.setPeers([seeder.address]);
    await membership.whenComplete(never);
    expect(await sha256Of(file)).toBe(pack.sha256);
  });

  it('cuts off bytes past the end of the pack and keeps what is right of a short file', async () => {
    const { folder, pack, bytes, seeder } = await seeded(3 * MiB);
    const [long, short] = [join(folder, 'long'), join(folder, 'short')];
    await writeFile(long, Buffer.concat([bytes, Buffer.from('more')]));
    await copyFile(join(folder, 'seed'), short);
    await truncate(short, 2 * MiB + 10);
    const swarm = await loopbackSwarm();
    await (await swarm.join(pack, long)).whenComplete(never);
    expect((await stat(long)).size).toBe(pack.sizeBytes);

    const other = await loopbackSwarm();
    const membership = await other.join(pack, short);
    expect(membership.progress().bytesDone).toBe(2 * MiB);
    membership.setPeers([seeder.address]);
    await membership.whenComplete(never);
    expect(await readFile(short)).toEqual(bytes);
  });

  it('waits without a seeder and completes when one is named', async () => {
    const { folder, pack, seeder } = await seeded(5 * MiB);
    const swarm = await loopbackSwarm();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([]);
    const complete = membership.whenComplete(never);
    expect(await Promise.race([complete.then(() => 'complete'), Promise.resolve('waiting')])).toBe('waiting');
    expect(membership.progress().bytesDone).toBe(0);
    membership.setPeers([seeder.address]);
    await complete;
    expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  });

  it('finds a seeder that comes up at a named address later, and lets go of one that is named no more', async () => {
    const { folder, pack, seeder } = await seeded(5 * MiB);
    const { address } = seeder;
    const swarm = await loopbackSwarm();
    await seeder.close();
    const membership = await swarm.join(pack, join(folder, 'member'));
    membership.setPeers([address]);
    const again = await openSwarm({ ...address, maxConnections: 10 });
    const incomplete = await again.join(pack, join(folder, 'empty'));
    await until(() => membership.progress().peers === 1);
    membership.setPeers([]);
    await until(() => membership.progress().peers === 0 && incomplete.progress().peers === 0);
    await again.close();

    const seederAgain = await openSwarm({ ...address, maxConnections: 10 });
    await seederAgain.join(pack, join(folder, 'seed'));
    membership.setPeers([address]);
    await membership.whenComplete(never);
    await seederAgain.close();
  });

  it('keeps one connection when two members name each other', async () => {
    const folder = await temporaryFolder();
    const { pack } = await randomPack(join(folder, 'seed'), MiB);
    const [a, b] = [await loopbackSwarm(), await loopbackSwarm()];
    const memberOfA = await a.join(pack, join(folder, 'a'));
    const memberOfB = await b.join(pack, join(folder, 'b'));
    memberOfA.setPeers([b.address]);
    memberOfB.setPeers([a.address]);
    await until(() => memberOfA.progress().peers === 1 && memberOfB.progress().peers === 1);
  });

  it('takes no more connections than it may have', async () => {
    const folder = await temporaryFolder();
    const { pack } = await randomPack(join(folder, 'seed'), MiB);
    const hub = await loopbackSwarm(2);
    const membership = await hub.join(pack, join(folder, 'empty'));
    const others = await Promise.all([1, 2, 3, 4].map(() => loopbackSwarm()));
    const memberships = await Promise.all(others.map((swarm, n) => swarm.join(pack, join(folder, `other-${n}`))));
    for (const other of memberships) other.setPeers([hub.address]);
    await until(() => membership.progress().peers === 2);
    await until(() => memberships.filter((other) => other.progress().peers === 0).length === 2);
  });

  it('refuses a torrent that does not fit, a file that cannot be opened and a second membership', async () => {
    const { folder, pack, seeder } = await seeded(MiB);
    const swarm = await loopbackSwarm();
    const broken = { ...pack, sizeBytes: pack.sizeBytes + 1 };
    await expect(swarm.join(broken, join(folder, 'x'))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(swarm.join(pack, join(folder, 'none', 'x'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(swarm.join(pack, folder)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(seeder.join(pack, join(folder, 'x'))).rejects.toMatchObject({ code: 'CONFLICT' });
    const membership = await swarm.join(pack, join(folder, 'x'));
    await membership.leave();
    await swarm.join(pack, join(folder, 'x'));
  });

  it('says that its port is taken', async () => {
    const { address } = await loopbackSwarm();
    await expect(openSwarm({ ...address, maxConnections: 1 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(String(address.port)),
    });
  });

  it.runIf(process.platform === 'linux')('says that the disk is full', async () => {
    const { pack, seeder } = await seeded(MiB);
    const swarm = await loopbackSwarm();
    const membership = await swarm.join(pack, '/dev/full');
    const complete = membership.whenComplete(never);
    membership.setPeers([seeder.address]);
    await expect(complete).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'no space is left for /dev/full' });
    // It is over: the same pack may be joined again once there is space.
    await until(async () => (await swarm.join(pack, '/dev/full').catch(() => undefined)) !== undefined);
  });

  it('lets the process end once it is closed, in the middle of a fetch too', async () => {
    const { folder, pack, seeder } = await seeded(20 * MiB);
    const script = `
      import { openSwarm } from ${JSON.stringify(import.meta.resolve('./open-swarm.ts'))};
      const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 10 });
      const member = await swarm.join(${JSON.stringify(pack)}, ${JSON.stringify(join(folder, 'member'))});
      member.setPeers([${JSON.stringify(seeder.address)}]);
      while (member.progress().bytesDone === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      await swarm.close();
      console.log('closed');
    `;
    const child = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(child.stdout).toBe('closed\n');
  });

  it.each([
    { mode: 'required', isLoaded: false },
    { mode: 'preferred', isLoaded: true },
  ])('with encryption $mode, WebTorrent is loaded: $isLoaded', async ({ mode, isLoaded }) => {
    const script = `
      import { registerHooks } from 'node:module';
      let isLoaded = false;
      registerHooks({
        resolve(name, context, next) {
          isLoaded ||= name === 'webtorrent';
          return next(name, context);
        },
      });
      const { openSwarm } = await import(${JSON.stringify(import.meta.resolve('./open-swarm.ts'))});
      const { LaneKeys } = await import(${JSON.stringify(import.meta.resolve('./lane-keys.ts'))});
      const encryption = { mode: ${JSON.stringify(mode)}, keys: new LaneKeys() };
      const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 10, encryption });
      await swarm.close();
      console.log(isLoaded);
    `;
    const child = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(child.stdout).toBe(`${isLoaded}\n`);
  });

  it('stops waiting on abort and on leave', async () => {
    const { folder, pack } = await seeded(MiB);
    const swarm = await loopbackSwarm();
    const membership = await swarm.join(pack, join(folder, 'x'));
    const stopping = new AbortController();
    const waits = [membership.whenComplete(stopping.signal), membership.whenComplete(never)];
    const ends = Promise.allSettled(waits);
    stopping.abort(new Error('no longer wanted'));
    await membership.leave();
    expect((await ends).map((end) => end.status === 'rejected' && end.reason.message)).toEqual([
      'no longer wanted',
      expect.stringContaining('left the swarm'),
    ]);
  });
});
