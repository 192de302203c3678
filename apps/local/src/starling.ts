import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type LocalAccess, localAccessFile } from '@starling/shared/data-folder.ts';
import type { IdentityKind } from '@starling/shared/permissions.ts';
import { type ApiClient, connectApi } from './api-client.ts';
import { Child } from './child.ts';
import { inheritedEnvironment } from './config.ts';
import { createDatabase, type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { enrolmentFor } from './enrol.ts';
import { lockFolder } from './folder-lock.ts';
import { choosePorts, type PortChoice } from './ports.ts';
import { prepareSecrets, type Secrets } from './secrets.ts';

export const localRegions = ['eu-west', 'us-east', 'ap-south'] as const;
const host = '127.0.0.1';
/** An agent is a guest on its machine (the same is in its unit and its launcher), and a worker leaves memory to recipes. */
const littleMemory = {
  node: ['--max-semi-space-size=2'],
  environment: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' },
};
const serverProgram = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url));
const agentProgram = fileURLToPath(new URL('../../agent/src/main.ts', import.meta.url));

export interface LocalStarlingOptions {
  /** Everything lies below it. */
  data: string;
  /** 0 takes any free port. */
  controlPort: number;
  workers?: number;
  machinesPerRegion?: number;
  /** Three by default. */
  regions?: readonly string[];
  /** Settings for the processes beside those made here, for example shorter deadlines. */
  settings?: Record<string, string>;
  inherited?: Record<string, string>;
  /** Called as each part comes up. */
  onPart?: (part: string) => void;
}

export interface LocalStarling {
  url: string;
  token: string;
  api: ApiClient;
  ports: PortChoice[];
  machines: string[];
  /** By name: `control`, `worker-1`, `hub-eu-west`, `agent-eu-west-1` … */
  children: ReadonlyMap<string, Child>;
  databaseUrl: string;
  /** Ends agents, then hubs, workers, control and PostgreSQL. */
  stop(): Promise<void>;
}

/** Brings up a whole Starling as processes of this machine, with state in one folder. */
export async function startLocalStarling(options: LocalStarlingOptions): Promise<LocalStarling> {
  const {
    data,
    workers = 2,
    machinesPerRegion = 4,
    regions = localRegions,
    settings = {},
    inherited = inheritedEnvironment(),
    onPart = () => {},
  } = options;
  await mkdir(data, { recursive: true });
  // PostgreSQL's own user passes through on its way to its folder; nobody can list.
  await chmod(data, 0o711);
  const undo: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of undo.reverse()) await step().catch(() => {});
    undo.length = 0;
  };
  try {
    undo.push(await lockFolder(data));
    const folder = async (...parts: string[]) => {
      const path = join(data, ...parts);
      await mkdir(path, { recursive: true, mode: 0o700 });
      return path;
    };
    const secrets = await prepareSecrets(join(data, 'secrets'));
    const logs = await folder('logs');

    onPart('PostgreSQL');
    const database: EmbeddedPostgres = await startEmbeddedPostgres({ folder: join(data, 'postgres') });
    undo.push(() => database.stop());
    await createDatabase(database, 'starling');
    const databaseUrl = database.urlOf('starling');

    const ports = await choosePorts(
      [
        { name: 'control', port: options.controlPort },
        ...regions.map((region, index) => ({
          name: `hub ${region}`,
          port: options.controlPort === 0 ? 0 : options.controlPort + 1 + index,
        })),
      ],
      host,
    );
    const url = `http://${host}:${ports[0]!.port}`;
    const blobs = (name: string) => pathToFileURL(join(data, 'blobs', name)).href;
    for (const name of ['main', ...regions]) await folder('blobs', name);

    const children = new Map<string, Child>();
    const launch = (
      name: string,
      program: string,
      programArguments: string[],
      environment: Record<string, string>,
      saysReady: boolean,
      nodeArguments: string[] = [],
    ) => {
      const child = new Child({
        name,
        program,
        programArguments,
        nodeArguments,
        logFile: join(logs, `${name}.log`),
        saysReady,
        environment: {
          ...inherited,
          // Recipes, programs and health commands find the same Node as we run under.
          PATH: `${dirname(process.execPath)}:${inherited.PATH ?? ''}`,
          NODE_COMPILE_CACHE: join(data, 'compile-cache'),
          ...environment,
          ...settings,
        },
      });
      children.set(name, child);
      return child.start();
    };
    const stopAll = (prefix: string) => async () => {
      await Promise.all(
        [...children.values()].filter((child) => child.name.startsWith(prefix)).map((child) => child.stop()),
      );
    };

    onPart('control');
    undo.push(stopAll('control'));
    const control = launch('control', serverProgram, ['control'], controlEnvironment(), true);
    await control.ready();
    const token = (await readFile(secrets.adminToken, 'utf8')).trim();
    const api = connectApi(url, token);

    onPart('workers and regions');
    undo.push(stopAll('worker'));
    for (let number = 1; number <= workers; number += 1) {
      const environment = await workerEnvironment(`worker-${number}`);
      launch(`worker-${number}`, serverProgram, ['worker'], environment, true, littleMemory.node);
    }
    undo.push(stopAll('hub'));
    for (const [index, region] of regions.entries()) {
      launch(`hub-${region}`, serverProgram, ['hub'], await hubEnvironment(region, ports[index + 1]!.port), true);
    }
    await Promise.all([...children.values()].map((child) => child.ready()));

    onPart('machines');
    undo.push(stopAll('agent'));
    const machines: string[] = [];
    for (const [index, region] of regions.entries()) {
      for (let number = 1; number <= machinesPerRegion; number += 1) {
        const machine = `${region}-${number}`;
        machines.push(machine);
        launch(
          `agent-${machine}`,
          agentProgram,
          [],
          await agentEnvironment(machine, region, ports[index + 1]!.port),
          false,
          littleMemory.node,
        );
      }
    }

    const access: LocalAccess = { server: url, token };
    await writeFile(join(data, localAccessFile), `${JSON.stringify(access, null, 2)}\n`, { mode: 0o600 });
    return { url, token, api, ports, machines, children, databaseUrl, stop };

    function controlEnvironment(): Record<string, string> {
      return {
        DATABASE_URL: databaseUrl,
        STARLING_HOST: host,
        STARLING_PORT: String(ports[0]!.port),
        STARLING_BLOBS: blobs('main'),
        STARLING_REGIONS: regions.map((region) => `${region}=${blobs(region)}`).join(' '),
        STARLING_VERSION_SIGNING_KEY: secrets.versionKey,
        STARLING_ADMIN_TOKEN_FILE: secrets.adminToken,
        STARLING_IDENTITY_SIGNING_KEY: secrets.identityKey,
        STARLING_WEBHOOK_SECRET_FILE: secrets.webhookSecret,
      };
    }

    async function workerEnvironment(name: string): Promise<Record<string, string>> {
      // One for both: they share the mirrors.
      const dataFolder = await folder('building');
      return {
        DATABASE_URL: databaseUrl,
        STARLING_WORKER: name,
        STARLING_DATA: dataFolder,
        STARLING_BLOBS: blobs('main'),
        STARLING_MANIFEST_SIGNING_KEY: secrets.manifestKey,
        STARLING_CONTROL_URL: url,
        ...littleMemory.environment,
        ...(await enrolment('worker', name, dataFolder)),
      };
    }

    async function hubEnvironment(region: string, port: number): Promise<Record<string, string>> {
      const [name, dataFolder] = [`hub-${region}`, await folder('hubs', region)];
      return {
        DATABASE_URL: databaseUrl,
        STARLING_HUB: name,
        STARLING_REGION: region,
        STARLING_DATA: dataFolder,
        STARLING_BLOBS: blobs(region),
        STARLING_HOST: host,
        STARLING_PORT: String(port),
        STARLING_CONTROL_URL: url,
        STARLING_IDENTITY_PUBLIC_KEYS: secrets.identityPublicKey,
        ...publicKeys(secrets),
        ...(await enrolment('hub', name, dataFolder, region)),
      };
    }

    async function agentEnvironment(machine: string, region: string, hubPort: number): Promise<Record<string, string>> {
      const dataFolder = await folder('machines', machine);
      return {
        STARLING_AGENT_DATA: dataFolder,
        STARLING_MACHINE: machine,
        STARLING_REGION: region,
        STARLING_HUB_URL: `http://${host}:${hubPort}`,
        STARLING_LABELS: `rack=r${(Number(machine.at(-1)) % 2) + 1}`,
        STARLING_PROGRAMS_ON_STOP: 'stop',
        ...littleMemory.environment,
        ...publicKeys(secrets),
        ...(await enrolment('agent', machine, dataFolder, region)),
      };
    }

    function enrolment(kind: IdentityKind, name: string, dataFolder: string, region?: string) {
      const tokenFile = join(data, 'secrets', `${kind}-${name}.token`);
      return enrolmentFor(api, { kind, name, dataFolder, tokenFile, ...(region !== undefined && { region }) });
    }
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

function publicKeys(secrets: Secrets): Record<string, string> {
  return {
    STARLING_MANIFEST_PUBLIC_KEYS: secrets.manifestPublicKey,
    STARLING_VERSION_PUBLIC_KEYS: secrets.versionPublicKey,
  };
}
