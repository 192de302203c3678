import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { LaneKeys } from '@starling/swarm/lane-keys.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeBuild, makeKey, sessionOf, sha256, startTestHub, TestAgent, temporaryFolder, until } from './test-hub.ts';

describe('a hub and its agents', () => {
  it('says every key, then welcome, and pushes a new key to all', async () => {
    const { hub, keys } = await startTestHub();
    keys.put(makeKey(1, null));
    keys.put(makeKey(4, null, { project: 'other' }));
    const agents = [await TestAgent.join(hub.url, 'm1'), await TestAgent.join(hub.url, 'm2')];
    for (const { frames } of agents) {
      await until(() => frames.some(({ type }) => type === 'welcome'));
      expect(frames.map(({ type }) => type)).toEqual(['key', 'key', 'welcome']);
    }
    const pushed = makeKey(2, null);
    keys.put(pushed);
    for (const agent of agents) {
      await until(() => agent.of('key').length === 3);
      expect(agent.of('key').at(-1)?.key).toEqual(pushed);
    }
  });

  it('never hands out a key that does not verify, is of another region, or is older', async () => {
    const { hub, keys } = await startTestHub();
    const good = makeKey(5, null);
    keys.put(good);
    const agent = await TestAgent.join(hub.url, 'm1');
    await until(() => agent.of('welcome').length === 1);
    keys.put({ ...makeKey(6, null), quarantined: ['hello@1a2b3c4d5e6f'] });
    keys.put(makeKey(7, null, { region: 'us' }));
    keys.put(makeKey(4, null));
    const next = makeKey(8, null);
    keys.put(next);
    await until(() => agent.of('key').some(({ key }) => key.sequence === 8));
    expect(agent.of('key').map(({ key }) => key)).toEqual([good, next]);
  });

  it('tells what it told before when it restarts without the key store', async () => {
    const first = await startTestHub();
    first.keys.put(makeKey(1, null));
    const before = await TestAgent.join(first.hub.url, 'm1');
    await until(() => before.of('welcome').length === 1);
    await first.hub.stop();
    await until(() => before.closeCode === 1001);

    first.keys.failure = new Error('the key store is away');
    const second = await startTestHub({ keys: first.keys, dataDir: first.dataDir });
    const after = await TestAgent.join(second.hub.url, 'm1');
    await until(() => after.of('welcome').length === 1);
    expect(after.of('key')).toEqual(before.of('key'));
    await until(async () => (await second.health()).keys.error === 'the key store is away');
    first.keys.failure = undefined;
    first.keys.put(makeKey(2, null));
    await until(() => after.of('key').some(({ key }) => key.sequence === 2));
  });

  it('refuses what is no session, another machine or region, and what is no protocol', async () => {
    const { hub, get } = await startTestHub();
    const session = await sessionOf(hub.url, 'm1');
    for (const token of ['wrong', `${session}x`]) {
      const agent = new TestAgent(hub.url, token);
      await expect(agent.opened()).rejects.toThrow('401');
    }
    const elsewhere = await TestAgent.join(hub.url, 'm1', { region: 'us' });
    await until(() => elsewhere.closeCode !== undefined);
    expect(elsewhere.of('refused')[0]?.reason).toContain('eu');

    const impostor = await TestAgent.connect(hub.url, 'm2');
    impostor.hello('m1');
    await until(() => impostor.closeCode !== undefined);
    expect(impostor.of('refused')[0]?.reason).toBe('this is the session of m2, not of m1');

    const impatient = await TestAgent.connect(hub.url, 'm1');
    impatient.report(1);
    await until(() => impatient.closeCode !== undefined);
    expect(impatient.of('refused')[0]?.reason).toContain('hello');

    const babbler = await TestAgent.join(hub.url, 'm1');
    babbler.socket.send('{"type":"announce","infoHash":"no"}');
    await until(() => babbler.closeCode !== undefined);
    expect(babbler.of('refused')[0]?.reason).toContain('infoHash');
    expect((await get('/agent')).status).toBe(404);
  });

  it('serves the newer of two connections of a machine', async () => {
    const { hub, control, health } = await startTestHub();
    const earlier = await TestAgent.join(hub.url, 'm1');
    await until(() => earlier.of('welcome').length === 1);
    const later = await TestAgent.join(hub.url, 'm1', { agentVersion: '2' });
    await until(() => earlier.closeCode !== undefined);
    expect(earlier.closeCode).toBe(4000);
    expect((await health()).agents).toBe(1);
    later.report(1);
    await until(() => later.of('reportsAccepted').length === 1);
    expect(control.machine('m1')).toMatchObject({ agentVersion: '2', connected: true });
    later.socket.close();
    await until(() => control.machine('m1')?.connected === false);
  });

  it('passes reports on, and acknowledges them only when control has them', async () => {
    const { hub, control, health } = await startTestHub();
    control.failure = new Error('control is away');
    const agent = await TestAgent.join(hub.url, 'm1');
    agent.report(1, 2);
    agent.report(3);
    // As an agent does that waits for its acknowledgement.
    agent.report(1, 2);
    await until(async () => (await health()).control.error === 'control is away');
    expect(agent.of('reportsAccepted')).toEqual([]);
    control.failure = undefined;
    await until(() => agent.of('reportsAccepted').at(-1)?.upToSequence === 3);
    expect(control.reports.map(({ machine, sequence }) => [machine, sequence])).toEqual([
      ['m1', 1],
      ['m1', 2],
      ['m1', 3],
    ]);
    const firstWithReports = control.batches.findIndex(({ reports }) => reports.length > 0);
    const known = control.batches.slice(0, firstWithReports + 1).flatMap(({ machines }) => machines);
    expect(known.map(({ machine }) => machine)).toContain('m1');
  });

  it('tells members of each other, and drops one whose connection is gone', async () => {
    const { hub } = await startTestHub();
    const infoHash = 'a'.repeat(40);
    const join = async (machine: string, port: number) => {
      const agent = await TestAgent.join(hub.url, machine, { swarm: { host: '127.0.0.1', port } });
      agent.say({ type: 'announce', infoHash, share: 0 });
      return agent;
    };
    const [a, b] = [await join('m1', 1_001), await join('m2', 1_002)];
    const peersOf = (agent: TestAgent) =>
      agent
        .of('peers')
        .at(-1)
        ?.peers.map(({ port }) => port);
    await until(() => peersOf(a)?.[0] === 1_002 && peersOf(b)?.[0] === 1_001);
    b.socket.terminate();
    await until(() => peersOf(a)?.length === 0);
  });

  it('tells nobody of a machine that one it told of it was sent wrong bytes by; that one has the hub alone', async () => {
    const { hub, health } = await startTestHub();
    const infoHash = 'a'.repeat(40);
    const join = async (machine: string, port: number) => {
      const agent = await TestAgent.join(hub.url, machine, { swarm: { host: '127.0.0.1', port } });
      agent.say({ type: 'announce', infoHash, share: 0 });
      return agent;
    };
    const [a, b, c] = [await join('m1', 1_001), await join('m2', 1_002), await join('m3', 1_003)];
    const toldOf = (agent: TestAgent) =>
      agent
        .of('peers')
        .at(-1)
        ?.peers.map(({ port }) => port)
        .sort()
        .join();
    await until(() => toldOf(a) === '1002,1003' && toldOf(b) === '1001,1003' && toldOf(c) === '1001,1002');
    // Of an address that it was not told of, which changes nothing; then of one that it was.
    a.say({ type: 'badPeer', infoHash, peer: { host: '127.0.0.1', port: 9 } });
    a.say({ type: 'badPeer', infoHash, peer: { host: '127.0.0.1', port: 1_002 } });
    await until(() => toldOf(a) === '1003' && toldOf(b) === '' && toldOf(c) === '1001');
    expect((await health()).trust).toEqual({ callsWithoutKey: 0, wrongPieces: 2, putAside: ['m2'] });
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    expect(metrics).toContain('starling_hub_wrong_pieces_total 2');
  });
});

it('a member that lies is found out by its pieces, and the hub no longer tells others of it', async () => {
  const build = makeBuild(3_000_000);
  const { hub, health } = await startTestHub();
  const { infoHash } = build.pack.torrent;
  const path = join(await temporaryFolder(), 'lies');
  await writeFile(path, build.packBytes);
  const liar = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 10 });
  onTestFinished(() => liar.close());
  await liar.join(build.pack, path);
  // It has verified them; then its disk gives something else.
  await writeFile(path, randomBytes(build.packBytes.length));
  const lying = await TestAgent.join(hub.url, 'liar', { swarm: liar.address });
  lying.say({ type: 'announce', infoHash, share: 1 });
  const victims = await Promise.all(
    ['m1', 'm2'].map(async (machine) => {
      const swarm = await openSwarm({
        ...{ host: '127.0.0.1', port: 0, maxConnections: 10 },
        onBadPeer: ({ peer }) => agent.say({ type: 'badPeer', infoHash, peer }),
      });
      onTestFinished(() => swarm.close());
      const agent = await TestAgent.join(hub.url, machine, { swarm: swarm.address });
      const membership = await swarm.join(build.pack, join(await temporaryFolder(), 'pack'));
      agent.say({ type: 'announce', infoHash, share: 0 });
      return { agent, membership };
    }),
  );
  const tellsOfLiar = (agent: TestAgent) =>
    agent
      .of('peers')
      .at(-1)
      ?.peers.some(({ port }) => port === liar.address.port);
  await until(() => victims.every(({ agent }) => tellsOfLiar(agent)));
  const [first] = victims;
  first?.membership.setPeers(first.agent.of('peers').at(-1)?.peers ?? []);
  await until(() => victims.every(({ agent }) => tellsOfLiar(agent) === false));
  expect((await health()).trust.putAside).toEqual(['liar']);
  expect(first?.membership.progress().bytesHere).toBe(0);
});

describe('a hub and its packs', () => {
  it('pulls what a key names, and a member fetches it on the hub’s word', async () => {
    const build = makeBuild(6_000_000);
    const { hub, keys, blobs, get } = await startTestHub();
    blobs.add(build);
    keys.put(makeKey(1, build));
    const folder = await temporaryFolder();
    const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 10 });
    onTestFinished(() => swarm.close());
    const agent = await TestAgent.join(hub.url, 'm1', { swarm: swarm.address });
    await until(async () => (await get(`/manifests/${build.digest}`)).status === 200);
    const manifest = Buffer.from(await (await get(`/manifests/${build.digest}`)).arrayBuffer());
    expect(manifest.equals(build.manifestBytes)).toBe(true);

    const membership = await swarm.join(build.pack, join(folder, 'pack'));
    agent.say({ type: 'announce', infoHash: membership.infoHash, share: 0 });
    await until(() => (agent.of('peers').at(-1)?.peers.length ?? 0) > 0);
    expect(agent.of('peers').at(-1)?.infoHash).toBe(membership.infoHash);
    membership.setPeers(agent.of('peers').at(-1)?.peers ?? []);
    await membership.whenComplete(new AbortController().signal);
    expect(membership.progress().bytesDone).toBe(6_000_000);
  });

  it('serves what is here of a pack while the rest is being pulled, to the swarm and over HTTP', async () => {
    const build = makeBuild(6_000_000);
    const { hub, keys, blobs, get, health } = await startTestHub();
    blobs.add(build);
    const rest = Promise.withResolvers<void>();
    blobs.pause = { afterBytes: 3_000_000, until: rest.promise };
    keys.put(makeKey(1, build));
    const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 10 });
    onTestFinished(() => swarm.close());
    const agent = await TestAgent.join(hub.url, 'm1', { swarm: swarm.address });
    const membership = await swarm.join(build.pack, join(await temporaryFolder(), 'pack'), {
      ranges: [[0, 2_000_000]],
    });
    agent.say({ type: 'announce', infoHash: membership.infoHash, share: 0 });
    await until(() => (agent.of('peers').at(-1)?.peers.length ?? 0) > 0);
    membership.setPeers(agent.of('peers').at(-1)?.peers ?? []);
    await membership.whenComplete(new AbortController().signal);
    expect((await health()).builds[0]).toMatchObject({ state: 'PULLING', bytesTotal: 6_000_000 });

    const path = `/packs/${build.pack.sha256}`;
    const here = await get(path, { range: 'bytes=1000000-1999999' });
    expect([here.status, here.headers.get('content-range')]).toEqual([206, 'bytes 1000000-1999999/6000000']);
    expect(Buffer.from(await here.arrayBuffer()).equals(build.packBytes.subarray(1_000_000, 2_000_000))).toBe(true);
    for (const headers of [{ range: 'bytes=2000000-5999999' }, {}, { range: 'bytes=0-9', 'if-range': '"another"' }]) {
      const notHere = await get(path, headers);
      expect([notHere.status, notHere.headers.get('retry-after')]).toEqual([503, '1']);
    }
    rest.resolve();
    await until(async () => (await health()).builds[0]?.state === 'SEEDING');
    expect(sha256(Buffer.from(await (await get(path)).arrayBuffer()))).toBe(build.pack.sha256);
  });

  it('seeds it, where that is required, only to members that have the secret of its key', async () => {
    const build = makeBuild(3_000_000);
    const swarm = { secret: randomBytes(32).toString('base64'), madeAt: 1 };
    const options = { swarm: { host: '127.0.0.1', port: 0, encryption: 'required' as const } };
    const { keys, blobs, get, health } = await startTestHub({ options });
    blobs.add(build);
    keys.put(makeKey(1, build, { swarm }));
    await until(async () => (await get(`/packs/${build.pack.sha256}`)).status === 200);
    await until(async () => (await health()).builds[0]?.state === 'SEEDING');
    const seeder = (await health()).swarm;
    const fetchWith = async (secret: string) => {
      const known = new LaneKeys();
      known.set('hello', [secret]);
      const encryption = { mode: 'required' as const, keys: known };
      const member = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 10, encryption });
      onTestFinished(() => member.close());
      const path = join(await temporaryFolder(), 'pack');
      const membership = await member.join(build.pack, path, { project: 'hello' });
      membership.setPeers([seeder]);
      return membership;
    };
    const stranger = await fetchWith(randomBytes(32).toString('base64'));
    await until(async () => (await health()).trust.callsWithoutKey === 1);
    const friend = await fetchWith(swarm.secret);
    await friend.whenComplete(new AbortController().signal);
    expect(stranger.progress().bytesHere).toBe(0);
    expect(JSON.stringify(await health())).not.toContain(swarm.secret);
  });

  it('answers ranges of a pack, with a session only', async () => {
    const build = makeBuild(300_000);
    const { keys, blobs, get, health } = await startTestHub();
    const path = `/packs/${build.pack.sha256}`;
    expect((await get(path)).status).toBe(404);
    blobs.failure = new Error('the store is away');
    blobs.add(build);
    keys.put(makeKey(1, build));
    await until(async () => (await get(path)).status === 503);
    expect((await get(path)).headers.get('retry-after')).toBe('1');
    await until(async () => (await health()).builds[0]?.reason === 'the store is away');
    expect((await health()).status).toBe('degraded');
    blobs.failure = undefined;
    await until(async () => (await get(path)).status === 200);

    const whole = Buffer.from(await (await get(path)).arrayBuffer());
    expect(sha256(whole)).toBe(build.pack.sha256);
    const part = await get(path, { range: 'bytes=1000-1999' });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1000-1999/300000']);
    expect(Buffer.from(await part.arrayBuffer()).equals(build.packBytes.subarray(1_000, 2_000))).toBe(true);
    const beyond = await get(path, { range: 'bytes=300000-' });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */300000']);
    const head = await get(path, {}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '300000']);
    expect((await get(path, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await get(path, {}, 'DELETE')).status).toBe(405);
    expect((await get(`/packs/${'0'.repeat(64)}`)).status).toBe(404);
    expect((await get('/packs/..%2f..%2fetc')).status).toBe(404);
  });

  it('refuses a manifest or a pack that was tampered with, until the store has the right one', async () => {
    const build = makeBuild(200_000);
    const { keys, blobs, get, health } = await startTestHub();
    blobs.add(build);
    const tampered = Buffer.from(build.manifestBytes);
    tampered[10]! ^= 1;
    blobs.blobs.set(`manifests/${build.digest}`, tampered);
    const otherPack = Buffer.from(build.packBytes);
    otherPack[100_000]! ^= 1;
    blobs.blobs.set(`packs/${build.pack.sha256}`, otherPack);
    keys.put(makeKey(1, build));
    const reason = async () => (await health()).builds[0]?.reason ?? '';
    await until(async () => (await reason()).includes('manifest'));
    expect((await get(`/manifests/${build.digest}`)).status).toBe(503);
    blobs.blobs.set(`manifests/${build.digest}`, build.manifestBytes);
    await until(async () => (await reason()).includes('is refused: the bytes 65536 to 131072 are not'));
    expect((await get(`/packs/${build.pack.sha256}`)).status).toBe(503);
    blobs.blobs.set(`packs/${build.pack.sha256}`, build.packBytes);
    await until(async () => (await health()).builds[0]?.state === 'SEEDING');
    expect(await reason()).toBe('');
  });

  it('goes on with a half pulled pack, over a restart too', async () => {
    const build = makeBuild(1_000_000);
    const first = await startTestHub();
    first.blobs.add(build);
    first.blobs.cutAfter = 500_000;
    first.keys.put(makeKey(1, build));
    await until(async () => (await first.health()).builds[0]?.reason === 'the connection was cut');
    await first.hub.stop();
    first.blobs.reads.length = 0;
    const second = await startTestHub({ ...first });
    await until(async () => (await second.health()).builds[0]?.state === 'SEEDING');
    const packReads = first.blobs.reads.filter(({ key }) => key.startsWith('packs/'));
    expect(packReads.every(({ start }) => start >= 500_000)).toBe(true);
    expect(packReads.length).toBeGreaterThan(0);
    await second.hub.stop();

    first.blobs.reads.length = 0;
    const third = await startTestHub({ ...first });
    await until(async () => (await third.health()).builds[0]?.state === 'SEEDING');
    expect(first.blobs.reads).toEqual([]);
  });

  it('pulls a pack again that was damaged on its own disk', async () => {
    const build = makeBuild(600_000);
    const first = await startTestHub();
    first.blobs.add(build);
    first.keys.put(makeKey(1, build));
    await until(async () => (await first.health()).builds[0]?.state === 'SEEDING');
    await first.hub.stop();
    const path = join(first.dataDir, 'packs', build.pack.sha256);
    await writeFile(path, Buffer.concat([build.packBytes.subarray(0, 599_999), Buffer.from([0x2a])]));
    const second = await startTestHub({ ...first });
    await until(async () => (await second.health()).builds[0]?.state === 'SEEDING');
    expect(sha256(await readFile(path))).toBe(build.pack.sha256);
  });

  it('keeps the last few builds that were named, and lets go of earlier ones', async () => {
    const builds = Array.from({ length: 8 }, (_, index) => makeBuild(20_000, index + 1));
    const { keys, blobs, get, health } = await startTestHub();
    blobs.add(...builds);
    for (const [index, build] of builds.entries()) {
      keys.put(makeKey(index + 1, build));
      await until(async () =>
        (await health()).builds.some((held) => held.build === build.build && held.state === 'SEEDING'),
      );
    }
    const statuses = () => Promise.all(builds.map(async ({ digest }) => (await get(`/manifests/${digest}`)).status));
    await until(async () => (await statuses())[1] === 404);
    expect(await statuses()).toEqual([404, 404, 200, 200, 200, 200, 200, 200]);
    // A rollback to one that was let go of pulls it again.
    keys.put(makeKey(9, builds[0]!));
    await until(async () => (await get(`/packs/${builds[0]!.pack.sha256}`)).status === 200);
  });

  it('pulls an older pack when an agent asks for it, and the manifests of ancestors', async () => {
    const [one, other] = [makeBuild(30_000), makeBuild(40_000, 3)];
    const two = makeBuild(20_000, 2, one);
    const { keys, blobs, get, health } = await startTestHub();
    blobs.add(one, two, other);
    keys.put(makeKey(1, two));
    await until(async () => (await health()).builds[0]?.state === 'SEEDING');
    expect(blobs.reads.map(({ key }) => key)).not.toContain(`packs/${one.pack.sha256}`);
    expect((await get(`/packs/${one.pack.sha256}`, {}, 'HEAD')).status).toBe(503);
    await until(async () => (await get(`/packs/${one.pack.sha256}`)).status === 200);
    expect((await get(`/manifests/${other.digest}`)).status).toBe(404);
    await until(async () => (await get(`/manifests/${one.digest}`)).status === 200);
    // One that was deleted from the store meanwhile is not waited for.
    const three = makeBuild(10_000, 4, makeBuild(10_000, 5));
    blobs.add(three);
    keys.put(makeKey(2, three));
    const ancestor = `/manifests/${makeBuild(1).digest}`;
    expect((await get(ancestor)).status).toBe(404);
    await until(async () =>
      (await health()).builds.some(({ build, state }) => build === three.build && state === 'SEEDING'),
    );
  });

  it('says that its port is taken, and leaves nothing open', async () => {
    const { hub } = await startTestHub();
    const port = Number(new URL(hub.url).port);
    await expect(startTestHub({ options: { listen: { host: '127.0.0.1', port } } })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    const silentSocket = connect(port, '127.0.0.1');
    await new Promise((resolve) => silentSocket.once('connect', resolve));
    const closed = new Promise((resolve) => silentSocket.on('error', () => undefined).once('close', resolve));
    await hub.stop();
    await closed;
  });
});
