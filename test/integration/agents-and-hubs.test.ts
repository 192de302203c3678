import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HubAccess } from '@starling/agent/control/hub-access.ts';
import { HubConnection } from '@starling/agent/control/hub-connection.ts';
import { writeDurably } from '@starling/host/durable-file.ts';
import { identityPath, openIdentity } from '@starling/host/kept-identity.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { startHub } from '@starling/server/hub/hub.ts';
import type { RunningHub } from '@starling/server/hub/ports.ts';
import { controlAt } from '@starling/server/hub-control.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { newToken } from '@starling/server/lib/random-token.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { machines } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addIdentity, addRegions } from '../postgres/sample-rows.ts';

// An agent's way in, with the real parts of agent, hub and control.

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const keys = { identity: generateSigningKey(), next: generateSigningKey() };
const never = new AbortController().signal;
let folder: string;
let api: TestApi;
let hub: RunningHub;
let hubSecret: string;
const undo: (() => Promise<void>)[] = [];

const startControl = (key = keys.identity, port = 0) =>
  startTestApi(test.database, { port, agentCredentials: new Signer('agent-credential', key.privatePem) });
const openHub = (trusted = [keys.identity.publicPem], port = 0) =>
  startHub({
    name: 'hub-eu',
    region: 'eu',
    dataDir: join(folder, 'hub'),
    listen: { host: '127.0.0.1', port },
    swarm: { host: '127.0.0.1', port: 0 },
    trusted: { manifests: [], versionKeys: [], agentCredentials: trusted },
    keys: { list: async () => [], watch: (_, signal) => systemClock.sleep(600_000, signal) },
    blobs: { description: 'none', sizeOf: async () => undefined, read: () => Promise.reject(new Error('none')) },
    control: controlAt(api.url, hubSecret, systemClock),
    clock: systemClock,
    log,
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-agents-'));
  hubSecret = newToken();
  await addRegions(test.database, ['eu']);
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await test.database.execute('truncate identities, revoked_agents, machines cascade');
  await addIdentity(test.database, { kind: 'hub', name: 'hub-eu', region: 'eu' }, hubSecret);
  api = await startControl();
  hub = await openHub();
});
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
  await hub.stop();
  await api.stop();
  await rm(folder, { recursive: true, force: true });
});

const admin = () => api.as('admin-token').identities;
async function giveToken(uses = 1) {
  const { token } = await admin().invite.mutate({ kind: 'agent', region: 'eu', uses });
  await writeDurably(join(folder, 'token'), token);
}

/** The agent's side: what it is known by, and its connection. */
async function agent(machine: string) {
  const identity = await openIdentity(identityPath(folder, 'agent', machine), () => generateSigningKey().privatePem);
  const said: Record<string, string>[] = [];
  const saying = pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line)) });
  const about = { hubUrl: hub.url, clock: systemClock, log: saying };
  const access = new HubAccess({ ...about, machine, region: 'eu', tokenFile: join(folder, 'token'), identity });
  const welcome = vi.fn();
  const connection = new HubConnection({
    ...about,
    access,
    hello: () => ({
      type: 'hello',
      protocol: 1,
      machine,
      region: 'eu',
      labels: {},
      agentVersion: '1',
      swarm: { host: '127.0.0.1', port: 1 },
    }),
    onWelcome: welcome,
    onFrame: () => {},
  });
  undo.push(() => connection.stop());
  connection.start();
  return { access, connection, said, identity };
}
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
const isIn = (one: { connection: HubConnection }) => eventually(() => expect(one.connection.isConnected).toBe(true));

it('comes in with a token, is seen, and is shut out within seconds while others stay', async () => {
  await giveToken(2);
  const [m1, m2] = [await agent('m1'), await agent('m2')];
  await isIn(m1);
  await isIn(m2);
  await eventually(async () =>
    expect((await test.database.select().from(machines)).map(({ id, connected }) => [id, connected])).toEqual(
      expect.arrayContaining([
        ['m1', true],
        ['m2', true],
      ]),
    ),
  );
  await admin().revoke.mutate({ kind: 'agent', name: 'm1' });
  await eventually(() => expect(m1.connection.isConnected).toBe(false));
  await eventually(() =>
    expect(m1.said).toContainEqual(
      expect.objectContaining({
        msg: 'shut out by the hub; what runs here goes on running',
        why: 'the hub shuts this machine out: the identity of m1 was revoked',
      }),
    ),
  );
  await expect(m1.access.session(never)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(m2.connection.isConnected).toBe(true);
});

it('comes back to a hub that was started anew while control is away', async () => {
  await giveToken();
  const m1 = await agent('m1');
  await isIn(m1);
  await api.stop();
  const port = Number(new URL(hub.url).port);
  await hub.stop();
  await eventually(() => expect(m1.connection.isConnected).toBe(false));
  hub = await openHub([keys.identity.publicPem], port);
  await isIn(m1);
  api = await startControl();
});

it('is given another credential for its key when control signs with another', async () => {
  await giveToken();
  const m1 = await agent('m1');
  await isIn(m1);
  const before = m1.identity.proof;
  const [apiPort, hubPort] = [Number(new URL(api.url).port), Number(new URL(hub.url).port)];
  await api.stop();
  await hub.stop();
  api = await startControl(keys.next, apiPort);
  hub = await openHub([keys.next.publicPem], hubPort);
  await eventually(() => expect(m1.identity.proof).not.toEqual(before));
  await isIn(m1);
  expect(m1.identity.proof).toMatchObject({ machine: 'm1' });
});
