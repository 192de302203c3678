import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { createServer, connect as openSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connectApi } from '@starling/local/api-client.ts';
import type { Child } from '@starling/local/child.ts';
import { connect, type Database, disconnect } from '@starling/server/db/connect.ts';
import { jobQueue } from '@starling/server/jobs/queue.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { leaderships } from '../../drizzle/schema/index.ts';
import { addJob, addProject } from '../postgres/sample-rows.ts';
import { type SoakFleet, startFleet } from '../soak/fleet.ts';
import { commit, temporaryFolder } from './starling-under-test.ts';

// Two control servers, as processes, over one PostgreSQL: behind a proxy that gives each connection to the other one, and
// while one of them is stopped and killed.

const run = promisify(execFile);
const cliProgram = fileURLToPath(new URL('../../apps/cli/bin/starling.mjs', import.meta.url));
const patience = { timeout: 20_000, interval: 50 };
const loops = ['alerts', 'analysis', 'forecasts', 'gates', 'monitor', 'retention', 'rollouts', 'synchronizer', 'tasks'];
const withinMs = 10_000;

let data: string;
let fleet: SoakFleet;
let database: Database;
let balancer: Balancer;
let repository: string;

beforeAll(async () => {
  data = await temporaryFolder('servers');
  fleet = await startFleet({
    data,
    controls: 2,
    workers: 0,
    settings: { STARLING_MONITOR_EVERY: '500ms', STARLING_STALE_AFTER: '5s' },
  });
  repository = join(data, 'repository');
  await commit(repository, { 'starling.yml': 'version: 1\n' });
  database = connect(fleet.databaseUrl, { applicationName: 'test', maxConnections: 3 });
  balancer = await startBalancer(fleet.urls.map((url) => Number(new URL(url).port)));
});
afterAll(async () => {
  balancer?.close();
  if (database) await disconnect(database);
  await fleet?.stop();
  await rm(data, { recursive: true, force: true });
});

const leads = async () => {
  const rows = await database.select().from(leaderships).orderBy(leaderships.loop);
  // Without a name of its own, a server is called by its host and process.
  return rows.map((row) => ({ ...row, pid: Number(row.leader.slice(row.leader.lastIndexOf('-') + 1)) }));
};
const allLedBy = (pid: number) =>
  vi.waitFor(async () => {
    const found = await leads();
    expect(found.map(({ loop }) => loop)).toEqual(loops);
    expect(found.map((row) => row.pid)).toEqual(loops.map(() => pid));
    return found;
  }, patience);
/** The server that leads the monitor, and the other one, each with its number. */
async function leaderAndOther(): Promise<[number, number]> {
  const monitor = await vi.waitFor(async () => {
    const found = await leads();
    expect(found).toHaveLength(loops.length);
    return found.find(({ loop }) => loop === 'monitor')!;
  }, patience);
  const leader = fleet.controls.findIndex(({ pid }) => pid === monitor.pid);
  return [leader, 1 - leader];
}
const signal = (child: Child, name: NodeJS.Signals) => process.kill(child.pid!, name);
const logOf = (child: Child) => readFile(fleet.logOf(child), 'utf8');

describe('behind a load balancer that gives every connection to another server', () => {
  it('sessions, tokens and what follows along work, whichever server they come to', async () => {
    const admin = connectApi(balancer.url, fleet.adminToken);
    const password = 'quiet river under stones';
    await admin.accounts.add.mutate({ name: 'ada', password });
    await admin.accounts.grant.mutate({ name: 'ada', role: 'admin' });
    const signedIn = await fetch(`${balancer.url}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ name: 'ada', password }),
    });
    const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    const before = balancer.connections();
    for (let count = 0; count < 6; count += 1) {
      const me = await fetch(`${balancer.url}/api/v1/session.whoAmI`, { headers: { cookie, connection: 'close' } });
      expect(await me.json()).toMatchObject({ name: 'ada' });
    }
    for (const [index, now] of balancer.connections().entries()) expect(now - before[index]!).toBeGreaterThan(1);

    // What one server is told, those who follow along at the other hear of.
    const stop = new AbortController();
    const stream = await fetch(`${balancer.url}/trpc/overview.changes`, { headers: { cookie }, signal: stop.signal });
    const heard = counting(stream.body!, '"projects"');
    await vi.waitFor(() => expect(heard()).toBe(1), patience);
    for (const [index, api] of fleet.apis.entries()) {
      await api.projects.add.mutate({ name: `p${index}`, repositoryUrl: repository });
      await vi.waitFor(() => expect(heard()).toBeGreaterThanOrEqual(2 + index), patience);
    }
    stop.abort();
  });

  it('the command line works', async () => {
    for (let count = 0; count < 2; count += 1) {
      const { stdout } = await run(process.execPath, [cliProgram, 'servers', '--json'], {
        env: { PATH: process.env.PATH, HOME: data, STARLING_SERVER: balancer.url, STARLING_TOKEN: fleet.adminToken },
      });
      expect(JSON.parse(stdout)).toHaveLength(loops.length);
    }
  });
});

describe('a server that leads', () => {
  it('and is held up loses its loops within ten seconds, writes nothing when it wakes up, and serves on', async () => {
    await addProject(database, 'shop');
    const [held, next] = await leaderAndOther();
    const [stopped, other] = [fleet.controls[held]!, fleet.controls[next]!];
    const before = await leads();
    const logBefore = (await logOf(stopped)).length;
    signal(stopped, 'SIGSTOP');
    const after = await allLedBy(other.pid!);
    for (const { loop, since, epoch } of after) {
      const was = before.find((row) => row.loop === loop)!;
      if (was.pid !== stopped.pid) continue;
      expect(epoch, loop).toBeGreaterThan(was.epoch);
      expect(since.getTime() - was.renewedAt.getTime(), loop).toBeLessThan(withinMs);
    }

    // Work that only the new leader may do, which is held up itself now, and whose terms hold.
    signal(other, 'SIGSTOP');
    await database.execute(sql`update leaderships set renewed_at = clock_timestamp() + interval '1 hour'`);
    const { id } = await addJob(database, 'shop');
    await jobQueue(database).take('a-silent-worker');
    await database.execute(sql`update jobs set last_heartbeat_at = now() - interval '1 hour' where id = ${id}`);

    signal(stopped, 'SIGCONT');
    const lost = before.filter(({ pid }) => pid === stopped.pid).map(({ loop }) => loop);
    await vi.waitFor(async () => {
      const log = (await logOf(stopped)).slice(logBefore);
      for (const loop of lost) expect(log).toContain(`${loop}: leading no more: another server took over`);
    }, patience);
    expect(await fleet.apis[held]!.jobs.get.query({ id })).toMatchObject({ status: 'RUNNING', attempts: 1 });
    expect((await leads()).map(({ loop, epoch, pid }) => ({ loop, epoch, pid }))).toEqual(
      after.map(({ loop, epoch, pid }) => ({ loop, epoch, pid })),
    );
    // People are not kept from anything: what they ask for is written.
    await fleet.apis[held]!.projects.add.mutate({ name: 'meanwhile', repositoryUrl: repository });

    signal(other, 'SIGCONT');
    await vi.waitFor(
      async () => expect(await fleet.apis[held]!.jobs.get.query({ id })).toMatchObject({ status: 'QUEUED' }),
      patience,
    );
    // The other one leads on, by leases as they usually are.
    const [row] = await database.execute<{ now: string }>(sql`select clock_timestamp() as now`);
    await vi.waitFor(async () => {
      for (const { loop, renewedAt } of await allLedBy(other.pid!))
        expect(renewedAt.getTime() - Date.parse(row!.now), loop).toBeLessThan(withinMs);
    }, patience);
  });

  it('and is killed is followed by the other within ten seconds, in every loop', async () => {
    const [killed, next] = await leaderAndOther();
    const [dead, heir] = [fleet.controls[killed]!, fleet.controls[next]!];
    const before = await leads();
    const deadPid = dead.pid;
    signal(dead, 'SIGKILL');
    // It is gone for good: whoever launched it does not start it again.
    await dead.stop();
    for (const { loop, since } of await allLedBy(heir.pid!)) {
      const was = before.find((row) => row.loop === loop)!;
      if (was.pid === deadPid) expect(since.getTime() - was.renewedAt.getTime(), loop).toBeLessThan(withinMs);
    }
    await fleet.apis[next]!.projects.add.mutate({ name: 'after', repositoryUrl: repository });
  });
});

interface Balancer {
  url: string;
  /** How many connections each server was given. */
  connections(): number[];
  close(): void;
}

/** Passes every new connection on to the next of the ports. */
async function startBalancer(ports: readonly number[]): Promise<Balancer> {
  const given = ports.map(() => 0);
  const sockets = new Set<Socket>();
  let turn = 0;
  const server = createServer((inbound) => {
    const index = turn++ % ports.length;
    given[index]! += 1;
    const outbound = openSocket(ports[index]!, '127.0.0.1');
    for (const socket of [inbound, outbound]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        inbound.destroy();
        outbound.destroy();
      });
    }
    inbound.pipe(outbound).pipe(inbound);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    connections: () => [...given],
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** How often a word came in a stream so far. */
function counting(body: ReadableStream<Uint8Array>, word: string): () => number {
  let text = '';
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>)
      text += decoder.decode(chunk, { stream: true });
  };
  // It ends by being aborted.
  read().catch(() => {});
  return () => text.split(word).length - 1;
}
