import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type ApiClient, connectApi } from '@starling/local/api-client.ts';
import { Child } from '@starling/local/child.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { createDatabase, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { enrolmentFor } from '@starling/local/enrol.ts';
import { choosePorts } from '@starling/local/ports.ts';
import { prepareSecrets } from '@starling/local/secrets.ts';

// Control servers and workers as processes of this machine, over one PostgreSQL: what builds need, without hubs and
// machines. Each worker has a data folder of its own, as on a host of its own.

const serverProgram = fileURLToPath(new URL('../../apps/server/src/main.ts', import.meta.url));
const host = '127.0.0.1';

export interface SoakFleet {
  controls: Child[];
  workers: Child[];
  /** The API of each control server, in their order. */
  apis: ApiClient[];
  /** The address of each. */
  urls: string[];
  adminToken: string;
  databaseUrl: string;
  regions: readonly string[];
  /** The address of the main store, or of a region's. */
  blobsOf(name: string): string;
  logOf(child: Child): string;
  stop(): Promise<void>;
}

export interface FleetOptions {
  /** Holds everything; enterable by PostgreSQL's own user. */
  data: string;
  controls: number;
  workers: number;
  settings: Record<string, string>;
}

export async function startFleet({ data, controls, workers, settings }: FleetOptions): Promise<SoakFleet> {
  const regions = ['eu', 'us'] as const;
  await mkdir(data, { recursive: true });
  await chmod(data, 0o711);
  const secrets = await prepareSecrets(join(data, 'secrets'));
  const database = await startEmbeddedPostgres({ folder: join(data, 'postgres') });
  const children: Child[] = [];
  const stop = async () => {
    await Promise.all(children.map((child) => child.stop()));
    await database.stop();
  };
  try {
    await createDatabase(database, 'starling');
    const databaseUrl = database.urlOf('starling');
    const blobsOf = (name: string) => pathToFileURL(join(data, 'blobs', name)).href;
    for (const name of ['main', ...regions]) await mkdir(join(data, 'blobs', name), { recursive: true });
    await mkdir(join(data, 'logs'), { recursive: true });
    const logOf = ({ name }: Pick<Child, 'name'>) => join(data, 'logs', `${name}.log`);
    const ports = await choosePorts(
      Array.from({ length: controls }, (_, index) => ({ name: `control-${index + 1}`, port: 0 })),
      host,
    );
    const inherited = inheritedEnvironment();
    const launch = (name: string, role: string, environment: Record<string, string>) => {
      const child = new Child({
        name,
        program: serverProgram,
        programArguments: [role],
        logFile: logOf({ name }),
        saysReady: true,
        environment: {
          ...inherited,
          PATH: `${dirname(process.execPath)}:${inherited.PATH ?? ''}`,
          NODE_COMPILE_CACHE: join(data, 'compile-cache'),
          DATABASE_URL: databaseUrl,
          STARLING_BLOBS: blobsOf('main'),
          ...environment,
          ...settings,
        },
      });
      children.push(child);
      return child.start();
    };
    const controlChildren = ports.map(({ name, port }) =>
      launch(name, 'control', {
        STARLING_HOST: host,
        STARLING_PORT: String(port),
        STARLING_REGIONS: regions.map((region) => `${region}=${blobsOf(region)}`).join(' '),
        STARLING_VERSION_SIGNING_KEY: secrets.versionKey,
        STARLING_ADMIN_TOKEN_FILE: secrets.adminToken,
      }),
    );
    await Promise.all(controlChildren.map((child) => child.ready()));
    const token = (await readFile(secrets.adminToken, 'utf8')).trim();
    const urls = ports.map(({ port }) => `http://${host}:${port}`);
    const apis = urls.map((url) => connectApi(url, token));
    const workerChildren = await Promise.all(
      Array.from({ length: workers }, async (_, index) => {
        const name = `worker-${index + 1}`;
        const dataFolder = join(data, 'hosts', name);
        const tokenFile = join(data, 'secrets', `${name}.token`);
        return launch(name, 'worker', {
          STARLING_WORKER: name,
          STARLING_DATA: dataFolder,
          STARLING_MANIFEST_SIGNING_KEY: secrets.manifestKey,
          STARLING_CONTROL_URL: urls[0]!,
          ...(await enrolmentFor(apis[0]!, { kind: 'worker', name, dataFolder, tokenFile })),
        });
      }),
    );
    await Promise.all(workerChildren.map((child) => child.ready()));
    return {
      controls: controlChildren,
      workers: workerChildren,
      apis,
      urls,
      adminToken: token,
      databaseUrl,
      regions,
      blobsOf,
      logOf,
      stop,
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}
