import { createHash, randomFillSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { signManifest } from '@starling/packs/signed-manifest.ts';
import {
  type AgentCredential,
  agentChallenge,
  answerChallenge,
  hashOfAgentKey,
  publicKeyOf,
  sessionAnswer,
} from '@starling/shared/agent-identity.ts';
import { systemClock } from '@starling/shared/clock.ts';
import type { AgentEnrolment } from '@starling/shared/enrolment.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { AgentFrame, HubFrame, HubReport, MachineReport } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import type { UnsignedVersionKey, VersionKey } from '@starling/shared/version-key.ts';
import { TorrentHasher } from '@starling/swarm/torrent-info.ts';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startHub } from './hub.ts';
import type { HubOptions, KeySource, RegionBlobs, RunningHub } from './ports.ts';

// A hub between in-memory ports, and an agent's side of the protocol, for the tests of this folder.

export const region = 'eu';
const signing = { manifest: generateSigningKey(), key: generateSigningKey(), agent: generateSigningKey() };
const manifestSigner = new Signer('manifest', signing.manifest.privatePem);
const keySigner = new Signer('version-key', signing.key.privatePem);
const credentialSigner = new Signer('agent-credential', signing.agent.privatePem);
export const trusted = {
  manifests: [signing.manifest.publicPem],
  versionKeys: [signing.key.publicPem],
  agentCredentials: [signing.agent.publicPem],
};
export const silent = pino({ level: 'silent' });

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** Looks every few milliseconds until `isSo`; the test's own timeout is the limit. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-hub-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestBuild {
  build: string;
  /** The one that it brings. */
  pack: Pack;
  /** All that its manifest lists. */
  packs: Pack[];
  manifestBytes: Buffer;
  digest: string;
  packBytes: Buffer;
}

const chunkBytes = 256 * 1024;

/** A signed build of random bytes, stored as they are: one file of them, behind the bytes of `earlier`, which are borrowed. */
export function makeBuild(sizeBytes: number, ordinal = 1, earlier?: TestBuild): TestBuild {
  const packBytes = randomFillSync(Buffer.allocUnsafe(sizeBytes));
  const hasher = new TorrentHasher('pack', sizeBytes);
  hasher.update(packBytes);
  const build = `hello@1a2b3c4d5e6f${ordinal > 1 ? `.${ordinal}` : ''}`;
  const pack = { sha256: sha256(packBytes), sizeBytes, torrent: hasher.finish() };
  const packs = [...(earlier ? [earlier.pack] : []), pack];
  const contents = [...(earlier ? [earlier.packBytes] : []), packBytes];
  const chunks = contents.flatMap((bytes, index) =>
    Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, count) => {
      const chunk = bytes.subarray(count * chunkBytes, (count + 1) * chunkBytes);
      const { length } = chunk;
      return { digest: sha256(chunk), length, pack: index, offset: count * chunkBytes, encodedLength: length };
    }),
  );
  const { bytes: manifestBytes, digest } = signManifest(
    {
      build,
      details: {
        project: 'hello',
        provenance: {
          repositoryUrl: 'https://example.org/hello.git',
          commitSha: '1a2b3c4d5e6f'.padEnd(40, '0'),
          recipeDigest: sha256('recipe'),
          worker: 'worker-1',
          startedAt: 1,
          finishedAt: 2,
        },
        run: {
          command: './bin',
          environment: {},
          port: null,
          stopGraceMs: 0,
          health: { type: 'none' },
          healthIntervalMs: 1_000,
          minHealthyTimeMs: 0,
          healthyDeadlineMs: 1_000,
        },
      },
      entries: [
        {
          type: 'file',
          path: 'bin',
          executable: true,
          sizeBytes: contents.reduce((sum, { length }) => sum + length, 0),
        },
      ],
      packs: packs.map(({ sha256: packDigest, sizeBytes: packSize, torrent }) => ({
        digest: packDigest,
        sizeBytes: packSize,
        torrentInfo: Buffer.from(torrent.info, 'base64'),
      })),
      chunks,
      ancestors: earlier
        ? [{ build: earlier.build, manifestDigest: earlier.digest, streamBytes: earlier.packBytes.length }]
        : [],
      patches: [],
    },
    manifestSigner,
  );
  return { build, pack, packs, manifestBytes, digest, packBytes };
}

/** A signed key that makes `stable` (if any) the version of all machines. */
export function makeKey(
  sequence: number,
  stable: TestBuild | null,
  more: Partial<UnsignedVersionKey> = {},
): VersionKey {
  return keySigner.sign<UnsignedVersionKey>({
    format: 1,
    project: 'hello',
    region,
    sequence,
    issuedAt: Date.now(),
    expiresAt: Date.now() + 86_400_000,
    stable: stable ? { build: stable.build, manifestDigest: stable.digest, deployment: sequence } : null,
    candidate: null,
    prefetch: [],
    quarantined: [],
    ...more,
  });
}

export const goodToken = 'enrol-me';
const machineKeys = new Map<string, ReturnType<typeof generateSigningKey>>();
/** The key pair of a machine, the same for the whole test file. */
export function keyOfMachine(machine: string): ReturnType<typeof generateSigningKey> {
  const key = machineKeys.get(machine) ?? generateSigningKey();
  machineKeys.set(machine, key);
  return key;
}

/** What control would have answered when the machine enrolled. */
export function credentialOf(machine: string, more: Partial<AgentCredential> = {}): AgentCredential {
  const publicKey = publicKeyOf(keyOfMachine(machine).privatePem);
  return credentialSigner.sign({ format: 1 as const, machine, region, publicKey, issuedAt: 1, ...more });
}

export const post = (url: string, body: object): Promise<Response> =>
  fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });

/** What the machine answers to a new challenge of the hub. */
export async function proofFor(url: string, machine: string, credential = credentialOf(machine)) {
  const challenge = agentChallenge.parse(await (await post(`${url}/agents/challenge`, {})).json());
  const signature = answerChallenge(keyOfMachine(machine).privatePem, machine, challenge);
  return { credential, nonce: challenge.nonce, signature };
}

/** A new session of the machine at a hub, once the hub is ready. */
export async function sessionOf(url: string, machine: string): Promise<string> {
  for (;;) {
    const answer = await post(`${url}/agents/session`, await proofFor(url, machine));
    if (answer.ok) return sessionAnswer.parse(await answer.json()).session;
    if (answer.status !== 503) throw new Error(`${machine} got no session: ${await answer.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export class MemoryKeys implements KeySource {
  #keys: VersionKey[] = [];
  readonly #watchers = new Set<(key: VersionKey) => void>();
  failure: Error | undefined;

  put(key: VersionKey): void {
    this.#keys = [...this.#keys.filter(({ project }) => project !== key.project), key];
    for (const watcher of this.#watchers) watcher(key);
  }

  async list(): Promise<VersionKey[]> {
    if (this.failure) throw this.failure;
    return this.#keys;
  }

  async watch(onKey: (key: VersionKey) => void, signal: AbortSignal): Promise<void> {
    for (const key of this.#keys) onKey(key);
    this.#watchers.add(onKey);
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    this.#watchers.delete(onKey);
  }
}

export class MemoryBlobs implements RegionBlobs {
  readonly description = 'the store of eu';
  readonly blobs = new Map<string, Buffer>();
  /** Every range that was asked for. */
  readonly reads: { key: string; start: number }[] = [];
  failure: Error | undefined;
  /** Ends the next read of a pack after so many bytes. */
  cutAfter: number | undefined;
  /** Reads of packs stand still after so many bytes until this is settled. */
  pause: { afterBytes: number; until: Promise<void> } | undefined;

  add(...builds: TestBuild[]): void {
    for (const { digest, manifestBytes, pack, packBytes } of builds) {
      this.blobs.set(`manifests/${digest}`, manifestBytes);
      this.blobs.set(`packs/${pack.sha256}`, packBytes);
    }
  }

  async sizeOf(key: string): Promise<number | undefined> {
    if (this.failure) throw this.failure;
    return this.blobs.get(key)?.length;
  }

  async read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    const bytes = this.blobs.get(key);
    if (this.failure || !bytes) throw this.failure ?? new Error(`no ${key}`);
    const { start, end } = range ?? { start: 0, end: bytes.length };
    this.reads.push({ key, start });
    const cut = key.startsWith('packs/') ? this.cutAfter : undefined;
    if (cut !== undefined) this.cutAfter = undefined;
    const pause = key.startsWith('packs/') ? this.pause : undefined;
    return Readable.from(parts(bytes.subarray(start, end), cut, pause));
  }
}

async function* parts(
  bytes: Buffer,
  cutAfter = Number.POSITIVE_INFINITY,
  pause?: MemoryBlobs['pause'],
): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += 65_536) {
    if (pause && start >= pause.afterBytes) await pause.until;
    if (start >= cutAfter) throw new Error('the connection was cut');
    yield bytes.subarray(start, start + 65_536);
  }
}

export class MemoryControl {
  readonly batches: HubReport[] = [];
  failure: Error | undefined;

  readonly enrolments: AgentEnrolment[] = [];
  readonly revoked: { id: number; machine: string; keyHash: string }[] = [];
  /** The numbers from which on was asked for revoked agents. */
  readonly askedAfter: number[] = [];

  async report(batch: HubReport): Promise<void> {
    if (this.failure) throw this.failure;
    this.batches.push(batch);
  }

  async enrolAgent(request: AgentEnrolment): Promise<AgentCredential> {
    if (this.failure) throw this.failure;
    if (request.token !== goodToken) throw new StarlingError('UNAUTHENTICATED', 'no such token', { field: 'token' });
    this.enrolments.push(request);
    return credentialOf(request.name, { publicKey: request.publicKey });
  }

  async revokedAgents(after: number) {
    if (this.failure) throw this.failure;
    this.askedAfter.push(after);
    return { revoked: this.revoked.filter(({ id }) => id > after).slice(0, 2), isComplete: this.#isLast(after) };
  }

  #isLast(after: number): boolean {
    return this.revoked.filter(({ id }) => id > after).length < 2;
  }

  /** Control knows from now on that the machine's key is revoked. */
  revoke(machine: string): void {
    const keyHash = hashOfAgentKey(publicKeyOf(keyOfMachine(machine).privatePem));
    this.revoked.push({ id: this.revoked.length + 1, machine, keyHash });
  }

  get reports(): HubReport['reports'] {
    return this.batches.flatMap(({ reports }) => reports);
  }

  /** What was said last of a machine. */
  machine(name: string): HubReport['machines'][number] | undefined {
    return this.batches.flatMap(({ machines }) => machines).findLast(({ machine }) => machine === name);
  }
}

export interface TestHub {
  hub: RunningHub;
  keys: MemoryKeys;
  blobs: MemoryBlobs;
  control: MemoryControl;
  dataDir: string;
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Response>;
  health(): Promise<Health>;
}

export interface Health {
  status: string;
  agents: number;
  builds: { build: string; state: string; reason: string; bytesDone: number }[];
  keys: { error: string; awaySince: string | null };
  control: { error: string };
  revokedAgents: { known: boolean; count: number; error: string };
  swarm: { host: string; port: number };
  trust: { callsWithoutKey: number; wrongPieces: number; putAside: string[] };
}

/** A hub that is stopped after the test. Parts that are given are used, as over a restart. */
export async function startTestHub(parts: Partial<TestHub> & { options?: Partial<HubOptions> } = {}): Promise<TestHub> {
  const keys = parts.keys ?? new MemoryKeys();
  const blobs = parts.blobs ?? new MemoryBlobs();
  const control = parts.control ?? new MemoryControl();
  const dataDir = parts.dataDir ?? (await temporaryFolder());
  const hub = await startHub({
    name: 'hub-eu-1',
    region,
    dataDir,
    listen: { host: '127.0.0.1', port: 0 },
    swarm: { host: '127.0.0.1', port: 0 },
    trusted,
    keys,
    blobs,
    control,
    clock: systemClock,
    log: silent,
    ...parts.options,
  });
  onTestFinished(() => hub.stop());
  let session: Promise<string> | undefined;
  const get = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    // Looking at the health must not wait for what it tells about.
    session ??= path === '/healthz' ? undefined : sessionOf(hub.url, 'reader');
    return fetch(hub.url + path, { method, headers: { authorization: `Bearer ${await session}`, ...headers } });
  };
  const health = async () => (await (await get('/healthz')).json()) as Health;
  return { hub, keys, blobs, control, dataDir, get, health };
}

/** An agent's end of the socket, which keeps what it is told. */
export class TestAgent {
  readonly frames: HubFrame[] = [];
  readonly socket: WebSocket;
  closeCode: number | undefined;

  constructor(url: string, token: string) {
    this.socket = new WebSocket(`${url.replace('http:', 'ws:')}/agent`, {
      headers: { authorization: `Bearer ${token}` },
    });
    this.socket.on('message', (data) => this.frames.push(JSON.parse(String(data)) as HubFrame));
    this.socket.on('close', (code) => {
      this.closeCode = code;
    });
    this.socket.on('error', () => undefined);
    onTestFinished(() => this.socket.terminate());
  }

  /** Connects and says hello. */
  static async join(
    url: string,
    machine: string,
    more: Partial<Extract<AgentFrame, { type: 'hello' }>> = {},
  ): Promise<TestAgent> {
    const agent = await TestAgent.connect(url, machine);
    agent.hello(machine, more);
    return agent;
  }

  /** Connects with a session of the machine. */
  static async connect(url: string, machine: string): Promise<TestAgent> {
    const agent = new TestAgent(url, await sessionOf(url, machine));
    await agent.opened();
    return agent;
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => this.socket.once('open', resolve).once('error', reject));
  }

  hello(machine: string, more: Partial<Extract<AgentFrame, { type: 'hello' }>> = {}): void {
    const swarm = { host: '127.0.0.1', port: 1_000 };
    this.say({ type: 'hello', protocol: 1, machine, region, labels: {}, agentVersion: '1', swarm, ...more });
  }

  say(frame: AgentFrame): void {
    this.socket.send(JSON.stringify(frame));
  }

  report(...sequences: number[]): void {
    this.say({ type: 'reports', reports: sequences.map(makeReport) });
  }

  of<T extends HubFrame['type']>(type: T): Extract<HubFrame, { type: T }>[] {
    return this.frames.filter((frame): frame is Extract<HubFrame, { type: T }> => frame.type === type);
  }
}

export function makeReport(sequence: number): MachineReport {
  return {
    sequence,
    at: 1,
    project: 'hello',
    step: 'FETCHING',
    observedBuild: null,
    desiredBuild: null,
    // Each of its own, or only the last would be passed on.
    deployment: sequence,
    detail: '',
  };
}
