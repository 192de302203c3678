import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { connectApi } from '@starling/local/api-client.ts';
import { Child } from '@starling/local/child.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { choosePorts } from '@starling/local/ports.ts';
import { localRegions } from '@starling/local/starling.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { everywhere, type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { newBuild } from './shop.ts';

// The control server that leads the rollout, and to which all hubs report, dies in the middle of a release. Whoever is on call
// has another one, goes back there, and the machines follow though nobody hears what they say.

const serverProgram = fileURLToPath(new URL('../../../apps/server/src/main.ts', import.meta.url));
const inWaves = { more: 'rollout: { waves: [{ fraction: 50%, bakeTime: 1h }] }\n' };
const patience = { timeout: 60_000, interval: 200 };
let starling: StarlingUnderTest;
let second: Child;
let secondUrl: string;

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 2 });
  const secrets = join(starling.data, 'secrets');
  const [chosen] = await choosePorts([{ name: 'control-2', port: 0 }], '127.0.0.1');
  secondUrl = `http://127.0.0.1:${chosen!.port}`;
  const blobs = (name: string) => pathToFileURL(join(starling.data, 'blobs', name)).href;
  const inherited = inheritedEnvironment();
  second = new Child({
    name: 'control-2',
    program: serverProgram,
    programArguments: ['control'],
    logFile: join(starling.data, 'logs', 'control-2.log'),
    saysReady: true,
    environment: {
      ...inherited,
      PATH: `${dirname(process.execPath)}:${inherited.PATH ?? ''}`,
      NODE_COMPILE_CACHE: join(starling.data, 'compile-cache'),
      DATABASE_URL: starling.databaseUrl,
      STARLING_HOST: '127.0.0.1',
      STARLING_PORT: String(chosen!.port),
      STARLING_BLOBS: blobs('main'),
      STARLING_REGIONS: localRegions.map((region) => `${region}=${blobs(region)}`).join(' '),
      STARLING_VERSION_SIGNING_KEY: join(secrets, 'version.key'),
      STARLING_IDENTITY_SIGNING_KEY: join(secrets, 'identity.key'),
      STARLING_ADMIN_TOKEN_FILE: join(secrets, 'admin.token'),
    },
  }).start();
  await second.ready();
});
afterAll(async () => {
  await second?.stop();
  await starling?.discard();
});

/** What `current` of each machine leads to, whoever says what. */
const stamps = () =>
  Promise.all(
    starling.machines.map(async (machine) =>
      (await readFile(join(starling.data, 'machines', machine, 'projects/shop/current/stamp'), 'utf8')).trim(),
    ),
  );

it('a rollback by the other server, right after the one that led was killed', async () => {
  const good = await newBuild(starling, inWaves);
  const first = await starling.api.deployments.deploy.mutate({
    ...{ project: 'shop', build: good, rollout: { waves: [] } },
  });
  expect(await settled(starling, first.id)).toMatchObject({ status: 'SUCCEEDED' });
  await everywhere(starling, 'shop', good);
  const before = await stamps();
  const bad = await newBuild(starling, inWaves);
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: bad });
  await vi.waitFor(
    async () => expect((await stamps()).filter((stamp) => stamp !== before[0])).toHaveLength(3),
    patience,
  );

  const control = starling.children.get('control')!;
  process.kill(control.pid!, 'SIGKILL');
  // Nobody starts it again for now.
  await control.stop();
  const api = connectApi(secondUrl, starling.token);
  const back = await api.deployments.rollback.mutate({ project: 'shop', reason: 'it is slow' });
  await vi.waitFor(async () => expect(await stamps()).toEqual(before), patience);
  expect(await api.deployments.get.query({ id })).toMatchObject({ status: 'SUPERSEDED' });
  expect(await api.deployments.get.query({ id: back.id })).toMatchObject({ status: 'RUNNING', kind: 'ROLLBACK' });

  // What machines said meanwhile was kept for it.
  control.start();
  await everywhere(starling, 'shop', good);
  expect(await settled(starling, back.id)).toMatchObject({ status: 'SUCCEEDED', buildId: good });
});
