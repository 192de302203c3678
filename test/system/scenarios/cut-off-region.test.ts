import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { enrolmentFor } from '@starling/local/enrol.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { type FarNetwork, openFarNetwork, whyNoFarNetwork } from './far-network.ts';
import { newBuild } from './shop.ts';

// A region with its hub and its machines behind one link, which is cut in the middle of a release: the machines keep their hub,
// and the hub keeps trying to reach control and the version keys, without ever being told that they are gone.

const program = (path: string) => fileURLToPath(new URL(`../../../apps/${path}/src/main.ts`, import.meta.url));
const region = 'us-east';
const far = ['far-1', 'far-2'];
const patience = { timeout: 90_000, interval: 200 };
const whyNot = whyNoFarNetwork();
if (whyNot) console.warn(`SKIPPED: a region cut off by the network; a hub that hangs stands in for it. ${whyNot}`);

let starling: StarlingUnderTest;
let network: FarNetwork;
let near: string[];

beforeAll(async () => {
  if (whyNot) return;
  starling = await startUnderTest({ machinesPerRegion: 1 });
  for (const name of [`agent-${region}-1`, `hub-${region}`]) await starling.children.get(name)!.stop();
  await starling.cli('machine', 'decommission', `${region}-1`, '--yes', '--reason', 'moved');
  near = starling.machines.filter((machine) => !machine.startsWith(region));
  network = openFarNetwork();
  const secrets = join(starling.data, 'secrets');
  const inherited = inheritedEnvironment();
  const common = {
    ...inherited,
    PATH: `${dirname(process.execPath)}:${inherited.PATH ?? ''}`,
    NODE_COMPILE_CACHE: join(starling.data, 'compile-cache'),
    STARLING_MANIFEST_PUBLIC_KEYS: join(secrets, 'manifest.pub'),
    STARLING_VERSION_PUBLIC_KEYS: join(secrets, 'version.pub'),
    STARLING_REGION: region,
  };
  const control = await network.relay({ host: '127.0.0.1', port: Number(new URL(starling.url).port) });
  const socketFolder = new URL(starling.databaseUrl).searchParams.get('host')!;
  const database = await network.relay({ path: join(socketFolder, '.s.PGSQL.5432') });
  const start = async (kind: 'hub' | 'agent', name: string, environment: Record<string, string>) => {
    const dataFolder = join(starling.data, 'far', name);
    await mkdir(dataFolder, { recursive: true });
    const tokenFile = join(secrets, `${kind}-${name}.token`);
    const enrolment = await enrolmentFor(starling.api, { kind, name, region, dataFolder, tokenFile });
    const [path, role] = kind === 'hub' ? ['server', ['hub']] : ['agent', []];
    const log = join(starling.data, 'logs', `${name}.log`);
    network.start(program(path!), role as string[], { ...common, ...environment, ...enrolment }, log);
    return dataFolder;
  };
  await start('hub', 'far-hub', {
    DATABASE_URL: `postgres://starling@${database.host}:${database.port}/starling`,
    STARLING_CONTROL_URL: `http://${control.host}:${control.port}`,
    STARLING_HUB: 'far-hub',
    STARLING_DATA: join(starling.data, 'far', 'far-hub'),
    STARLING_BLOBS: `file://${join(starling.data, 'blobs', region)}`,
    STARLING_HOST: '0.0.0.0',
    STARLING_TLS: 'off',
    STARLING_PORT: '8000',
    STARLING_IDENTITY_PUBLIC_KEYS: join(secrets, 'identity.pub'),
  });
  for (const machine of far) {
    await start('agent', machine, {
      STARLING_AGENT_DATA: join(starling.data, 'far', machine),
      STARLING_MACHINE: machine,
      STARLING_HUB_URL: 'http://127.0.0.1:8000',
      STARLING_PROGRAMS_ON_STOP: 'stop',
    });
  }
  await vi.waitFor(async () => expect(await online()).toEqual([...near, ...far].toSorted()), patience);
});
afterAll(async () => {
  await network?.remove();
  await starling?.discard();
});

const online = async () =>
  (await starling.api.machines.list.query({ limit: 100 })).filter((machine) => machine.online).map(({ id }) => id);
const states = async (machines: string[]) =>
  (await starling.api.machines.list.query({ project: 'shop', limit: 100 }))
    .filter(({ id }) => machines.includes(id))
    .map(({ id, projects: [state] }) => `${id} ${state?.observedBuild} ${state?.step}`);
const run = (machines: string[], build: string) =>
  vi.waitFor(
    async () =>
      expect(await states(machines)).toEqual(machines.toSorted().map((machine) => `${machine} ${build} COMMITTED`)),
    patience,
  );
/** What runs there, whoever says what. */
const stampOf = async (machine: string) =>
  (await readFile(join(starling.data, 'far', machine, 'projects/shop/current/stamp'), 'utf8')).trim();

it.skipIf(whyNot !== undefined)(
  'a region whose link is cut in the middle of a release: the others go on and back, and it comes to what is wanted by then',
  async () => {
    const good = await newBuild(starling);
    const first = await starling.api.deployments.deploy.mutate({ project: 'shop', build: good });
    expect(await settled(starling, first.id)).toMatchObject({ status: 'SUCCEEDED' });
    await run([...near, ...far], good);
    const before = await Promise.all(far.map(stampOf));

    // The far machines are in the middle of it when the link goes.
    const slow = await newBuild(starling, { more: 'hooks: { afterInstall: sleep 3 }\n' });
    const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: slow });
    await vi.waitFor(async () => {
      const machines = await starling.api.deployments.machines.query({ id });
      expect(machines.filter(({ machine, step }) => far.includes(machine) && step !== null)).toHaveLength(far.length);
    }, patience);
    network.cut();
    await run(near, slow);
    // They go on with what they were told: nobody has to ask.
    await vi.waitFor(async () => {
      for (const [index, machine] of far.entries()) expect(await stampOf(machine)).not.toBe(before[index]);
    }, patience);
    await vi.waitFor(async () => expect(await online()).toEqual(near.toSorted()), patience);
    // Counted apart: without them the release has ended well.
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
    const back = await starling.cli('rollback', 'shop', '--reason', 'half of it is dark', '--wait');
    expect(back.code, back.stderr).toBe(0);
    await run(near, good);
    network.mend();
    await run([...near, ...far], good);
    expect(await Promise.all(far.map(stampOf))).toEqual(before);
    await vi.waitFor(async () => expect(await online()).toEqual([...near, ...far].toSorted()), patience);
  },
);
