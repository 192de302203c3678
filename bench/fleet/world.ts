import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type ApiClient, connectApi } from '@starling/local/api-client.ts';
import { Child } from '@starling/local/child.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { createDatabase, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { enrolmentFor } from '@starling/local/enrol.ts';
import { choosePorts } from '@starling/local/ports.ts';
import { prepareSecrets, type Secrets } from '@starling/local/secrets.ts';

// A real PostgreSQL, control, worker and a hub for each region, as processes of this machine; who connects to the hubs is the
// benchmark's affair.

const program = (path: string) => fileURLToPath(new URL(`../../apps/${path}/src/main.ts`, import.meta.url));
const host = '127.0.0.1';

export interface Region {
  name: string;
  hubUrl: string;
  hub: Child;
}

export interface World {
  data: string;
  api: ApiClient;
  control: Child;
  regions: Region[];
  secrets: Secrets;
  databaseUrl: string;
  /** Starts a real agent; it enrols with a token of its region. */
  startAgent(machine: string, region: Region, environment?: Record<string, string>): Promise<Child>;
  stop(): Promise<void>;
}

/** `data` must be a folder that PostgreSQL's own user can pass through. */
export async function startWorld(data: string, regionNames: readonly string[]): Promise<World> {
  const secrets = await prepareSecrets(join(data, 'secrets'));
  const database = await startEmbeddedPostgres({ folder: join(data, 'postgres') });
  const children: Child[] = [];
  const stop = async () => {
    for (let from = children.length; from > 0; from -= 50) {
      await Promise.all(children.slice(Math.max(0, from - 50), from).map((child) => child.stop()));
    }
    await database.stop();
  };
  try {
    await createDatabase(database, 'starling');
    const databaseUrl = database.urlOf('starling');
    const blobsOf = (name: string) => pathToFileURL(join(data, 'blobs', name)).href;
    for (const name of ['main', ...regionNames]) await mkdir(join(data, 'blobs', name), { recursive: true });
    for (const name of ['logs', 'hosts']) await mkdir(join(data, name), { recursive: true });
    await chmod(data, 0o711);
    const ports = await choosePorts(
      ['control', ...regionNames].map((name) => ({ name, port: 0 })),
      host,
    );
    const portOf = (name: string) => ports.find((choice) => choice.name === name)!.port;
    const inherited = inheritedEnvironment();
    const launch = (name: string, path: string, role: string[], environment: Record<string, string>, ready = true) => {
      const child = new Child({
        name,
        program: program(path),
        programArguments: role,
        logFile: join(data, 'logs', `${name}.log`),
        saysReady: ready,
        environment: {
          ...inherited,
          PATH: `${dirname(process.execPath)}:${inherited.PATH ?? ''}`,
          NODE_COMPILE_CACHE: join(data, 'compile-cache'),
          STARLING_LOG_LEVEL: 'warn',
          ...environment,
        },
      });
      children.push(child);
      return child.start();
    };
    const controlUrl = `http://${host}:${portOf('control')}`;
    const control = launch('control', 'server', ['control'], {
      DATABASE_URL: databaseUrl,
      STARLING_HOST: host,
      STARLING_PORT: String(portOf('control')),
      STARLING_BLOBS: blobsOf('main'),
      STARLING_REGIONS: regionNames.map((name) => `${name}=${blobsOf(name)}`).join(' '),
      STARLING_VERSION_SIGNING_KEY: secrets.versionKey,
      STARLING_ADMIN_TOKEN_FILE: secrets.adminToken,
      STARLING_IDENTITY_SIGNING_KEY: secrets.identityKey,
    });
    await control.ready();
    const api = connectApi(controlUrl, (await readFile(secrets.adminToken, 'utf8')).trim());
    const enrolment = (kind: 'worker' | 'hub' | 'agent', name: string, dataFolder: string, region?: string) =>
      enrolmentFor(api, {
        kind,
        name,
        dataFolder,
        tokenFile: join(data, 'secrets', `${kind}-${name}.token`),
        ...(region !== undefined && { region }),
      });
    const publicKeys = {
      STARLING_MANIFEST_PUBLIC_KEYS: secrets.manifestPublicKey,
      STARLING_VERSION_PUBLIC_KEYS: secrets.versionPublicKey,
    };
    const workerFolder = join(data, 'hosts', 'worker');
    const worker = launch('worker', 'server', ['worker'], {
      DATABASE_URL: databaseUrl,
      STARLING_WORKER: 'worker-1',
      STARLING_DATA: workerFolder,
      STARLING_BLOBS: blobsOf('main'),
      STARLING_MANIFEST_SIGNING_KEY: secrets.manifestKey,
      STARLING_CONTROL_URL: controlUrl,
      ...(await enrolment('worker', 'worker-1', workerFolder)),
    });
    const regions: Region[] = [];
    for (const name of regionNames) {
      const dataFolder = join(data, 'hosts', `hub-${name}`);
      const hub = launch(`hub-${name}`, 'server', ['hub'], {
        DATABASE_URL: databaseUrl,
        STARLING_HUB: `hub-${name}`,
        STARLING_REGION: name,
        STARLING_DATA: dataFolder,
        STARLING_BLOBS: blobsOf(name),
        STARLING_HOST: host,
        STARLING_PORT: String(portOf(name)),
        STARLING_CONTROL_URL: controlUrl,
        STARLING_IDENTITY_PUBLIC_KEYS: secrets.identityPublicKey,
        ...publicKeys,
        ...(await enrolment('hub', `hub-${name}`, dataFolder, name)),
      });
      regions.push({ name, hub, hubUrl: `http://${host}:${portOf(name)}` });
    }
    await Promise.all([worker, ...regions.map(({ hub }) => hub)].map((child) => child.ready()));
    const startAgent: World['startAgent'] = async (machine, region, environment = {}) => {
      const dataFolder = join(data, 'hosts', machine);
      return launch(
        machine,
        'agent',
        [],
        {
          STARLING_AGENT_DATA: dataFolder,
          STARLING_MACHINE: machine,
          STARLING_REGION: region.name,
          STARLING_HUB_URL: region.hubUrl,
          STARLING_PROGRAMS_ON_STOP: 'stop',
          ...publicKeys,
          ...(await enrolment('agent', machine, dataFolder, region.name)),
          ...environment,
        },
        false,
      );
    };
    return { data, api, control, regions, secrets, databaseUrl, startAgent, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** Looks again and again until it is so. Rejects after `seconds`, with what was waited for. */
export async function until(what: string, isSo: () => Promise<boolean>, seconds: number, everyMs = 200): Promise<void> {
  const deadline = Date.now() + seconds * 1_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
