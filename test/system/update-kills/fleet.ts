import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sampleConfig } from '@starling/agent/testing/sample-config.ts';
import { type Manifest, signManifest, verifyManifest } from '@starling/packs/signed-manifest.ts';
import { packArtifact } from '@starling/server/artifacts/pack.ts';
import { manifestKey, packKey } from '@starling/server/blobs/blob-store.ts';
import { bytesSource, fileSource } from '@starling/server/blobs/file-source.ts';
import { openFolderStore } from '@starling/server/blobs/folder-store.ts';
import { seededRandom } from '@starling/shared/seeded-random.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import type { Target } from '@starling/shared/version-key.ts';
import type { AgentOrder } from './agent-process.ts';
import type { HubOrder } from './hub-process.ts';

// A hub and some agents as real processes that can be killed and started again, and builds that differ a little.

const signing = { manifest: generateSigningKey(), key: generateSigningKey(), agent: generateSigningKey() };
const swarmSecret = randomBytes(32).toString('base64');
const patienceMs = 240_000;

export interface SampleVersion {
  target: Target;
  /** The tree as it was packed. */
  tree: string;
}

/** Consecutive versions of a tree of `bytes`, each with a twenty-fifth changed here and there, in a store. */
export async function makeVersions(folder: string, count: number, bytes: number): Promise<SampleVersion[]> {
  const store = openFolderStore(join(folder, 'blobs'));
  const random = seededRandom(7);
  const program = Buffer.allocUnsafe(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) program.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  const earlier: Manifest[] = [];
  const versions: SampleVersion[] = [];
  for (let ordinal = 1; ordinal <= count; ordinal += 1) {
    const tree = join(folder, 'trees', String(ordinal));
    if (ordinal > 1) {
      for (let start = Math.floor(random() * 50_000); start + 4_000 < bytes; start += 100_000)
        for (let at = start; at < start + 4_000; at += 4) program.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
    }
    const files = { 'bin/program': program, 'data/table': program.subarray(0, 300_000), version: `${ordinal}\n` };
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), content);
    }
    await symlink('program', join(tree, 'bin/latest'));
    const packFile = join(folder, 'pack');
    const previous = versions.at(-1)?.tree;
    const packed = await packArtifact({
      root: tree,
      artifactPath: '.',
      packFile,
      earlier,
      previousTree: async () =>
        previous === undefined
          ? undefined
          : Promise.all(
              Object.keys(files).map(async (name) => {
                const path = join(previous, name);
                return { name, path, sizeBytes: (await readFile(path)).length };
              }),
            ),
    });
    const commit = createHash('sha1').update(String(ordinal)).digest('hex');
    const build = `hello@${commit.slice(0, 12)}`;
    const details = {
      project: 'hello',
      provenance: {
        repositoryUrl: '/hello',
        commitSha: commit,
        recipeDigest: '0'.repeat(64),
        worker: 'w',
        startedAt: 0,
        finishedAt: 1,
      },
      run: {
        command: null,
        environment: {},
        port: null,
        stopGraceMs: 0,
        health: { type: 'none' as const },
        healthIntervalMs: 50,
        minHealthyTimeMs: 0,
        healthyDeadlineMs: 5_000,
      },
    };
    const signer = new Signer('manifest', signing.manifest.privatePem);
    const signed = signManifest({ build, details, ...packed.tree }, signer);
    if (packed.newPack) await store.upload(packKey(packed.newPack.digest), await fileSource(packFile));
    await store.upload(manifestKey(signed.digest), bytesSource(signed.bytes));
    const trusted = new TrustedKeys('manifest', [signing.manifest.publicPem]);
    earlier.unshift(verifyManifest(signed.bytes, { digest: signed.digest }, trusted));
    versions.push({ target: { build, manifestDigest: signed.digest, deployment: ordinal }, tree });
  }
  return versions;
}

/** Every path of a tree with what it holds, as text to compare. */
export async function contentsOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    if (entry.isSymbolicLink()) found[name] = `link to ${await readlink(path)}`;
    else if (entry.isFile())
      found[name] = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
  }
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class KillFleet {
  readonly folder: string;
  readonly machines: readonly string[];
  readonly #blobs: string;
  readonly #hubPort: number;
  readonly #children = new Map<string, ChildProcess>();
  #sequence = 0;
  /** As much of a pack as agents that are started from now on take straight from the hub. */
  smallFetchBytes = 0;

  private constructor(folder: string, blobs: string, machines: readonly string[], hubPort: number) {
    this.folder = folder;
    this.machines = machines;
    this.#blobs = blobs;
    this.#hubPort = hubPort;
  }

  static async make(blobs: string, machines: readonly string[]): Promise<KillFleet> {
    const folder = await mkdtemp(join(tmpdir(), 'starling-kills-'));
    await writeFile(join(folder, 'token'), 'anybody\n');
    await writeFile(join(folder, 'keys.json'), '[]');
    return new KillFleet(folder, blobs, machines, await freePort());
  }

  dataOf(machine: string): string {
    return join(this.folder, 'machines', machine);
  }

  /** Says in a new key what all machines must run. */
  async tell(stable: Target): Promise<void> {
    this.#sequence += 1;
    const key = new Signer('version-key', signing.key.privatePem).sign({
      format: 1 as const,
      project: 'hello',
      region: 'eu',
      sequence: this.#sequence,
      issuedAt: Date.now(),
      expiresAt: Date.now() + 86_400_000,
      stable,
      candidate: null,
      prefetch: [],
      quarantined: [],
      swarm: { secret: swarmSecret, madeAt: 1 },
    });
    const path = join(this.folder, 'keys.json');
    await writeFile(`${path}.new`, JSON.stringify([key]));
    await rename(`${path}.new`, path);
  }

  /** Starts the hub or a machine. */
  async start(who: string): Promise<void> {
    const order = who === 'hub' ? this.#hubOrder() : this.#agentOrder(who);
    const path = join(this.folder, `${who}.json`);
    await writeFile(path, JSON.stringify(order));
    const script = join(import.meta.dirname, who === 'hub' ? 'hub-process.ts' : 'agent-process.ts');
    this.#children.set(
      who,
      fork(script, [path], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: this.#environment() }),
    );
  }

  async kill(who: string): Promise<void> {
    const child = this.#children.get(who);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Waits until every machine has committed a build, by its journal. */
  async untilCommitted({ build }: Target): Promise<void> {
    const until = Date.now() + patienceMs;
    for (const machine of this.machines) {
      for (;;) {
        const text = await readFile(join(this.dataOf(machine), 'projects/hello/journal.json'), 'utf8').catch(
          () => '{}',
        );
        const { state, current, problem } = JSON.parse(text);
        if (state === 'COMMITTED' && current?.build === build) break;
        if (Date.now() > until)
          throw new Error(`${machine} is ${state}, on ${current?.build}, not on ${build}: ${problem}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async discard(): Promise<void> {
    for (const who of this.#children.keys()) await this.kill(who);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What was compiled is kept for those that are started later, of which there are many. */
  #environment(): Record<string, string> {
    return { PATH: '/usr/bin:/bin', NODE_COMPILE_CACHE: join(this.#blobs, '..', 'compile-cache') };
  }

  #hubOrder(): HubOrder {
    return {
      dataDir: join(this.folder, 'hub'),
      port: this.#hubPort,
      blobs: this.#blobs,
      keysFile: join(this.folder, 'keys.json'),
      trusted: {
        manifests: [signing.manifest.publicPem],
        versionKeys: [signing.key.publicPem],
        agentCredentials: [signing.agent.publicPem],
      },
      credentialKey: signing.agent.privatePem,
    };
  }

  #agentOrder(machine: string): AgentOrder {
    return {
      config: {
        ...sampleConfig(),
        dataFolder: this.dataOf(machine),
        machine,
        hubUrl: `http://127.0.0.1:${this.#hubPort}`,
        tokenFile: join(this.folder, 'token'),
        keepSlots: 2,
      },
      manifestPublicPem: signing.manifest.publicPem,
      versionPublicPem: signing.key.publicPem,
      smallFetchBytes: this.smallFetchBytes,
    };
  }
}
