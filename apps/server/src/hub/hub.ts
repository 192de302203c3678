import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { rateAt } from '@starling/shared/byte-rate.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { maxFrameBytes } from '@starling/shared/hub-protocol.ts';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { buildsNamedBy, swarmSecretsOf, type VersionKey } from '@starling/shared/version-key.ts';
import { LaneKeys } from '@starling/swarm/lane-keys.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';
import type { Swarm } from '@starling/swarm/swarm.ts';
import { TokenBucket } from '@starling/swarm/token-bucket.ts';
import { WebSocketServer } from 'ws';
import { Loop } from '../lib/loop.ts';
import { followTlsFiles, readTls } from '../lib/tls.ts';
import { AgentRequests } from './agent-requests.ts';
import { AgentSessions } from './agent-sessions.ts';
import { Agents } from './agents.ts';
import { callerAddress } from './caller-address.ts';
import { FileSender } from './file-sender.ts';
import { answer } from './http-requests.ts';
import { KnownKeys } from './known-keys.ts';
import type { HubOptions, RunningHub } from './ports.ts';
import { beatEveryMs } from './pulse.ts';
import { ReportQueue } from './report-queue.ts';
import { Revocations } from './revocations.ts';
import { Shelf } from './shelf.ts';
import { SwarmEyes } from './swarm-eyes.ts';
import { SwarmTrust } from './swarm-trust.ts';
import { Tracker } from './tracker.ts';

const defaultKeptBytes = 20 * 1024 ** 3;
const maxReports = 100_000;
const maxSwarmConnections = 500;
const handOutEveryMs = 250;
const idleSocketTimeoutMs = 120_000;
const requestTimeoutMs = 30_000;
const watchPauseMs = 1_000;
const farewellMs = 1_000;
const tlsLimits = { minVersion: 'TLSv1.2', handshakeTimeout: 10_000 } as const;

/**
 * Starts the hub of a region: it holds the builds that the region's version keys name, hands keys and bytes to the
 * region's agents, tells them of each other, and passes on what they report. Resolves when it listens; the key store,
 * the blob store and control may all be away then, and are tried until they are back. Rejects with UNAVAILABLE when
 * an address cannot be listened on.
 */
export async function startHub(options: HubOptions): Promise<RunningHub> {
  await mkdir(options.dataDir, { recursive: true });
  const { host, port, maxConnections = maxSwarmConnections, encryption: mode = 'off', upload } = options.swarm;
  const laneKeys = new LaneKeys();
  const trust = new SwarmTrust(options.clock, options.log);
  const sending = new TokenBucket(() => upload && rateAt(upload, options.clock.now()));
  const swarm = await openSwarm({
    ...{ host, port, maxConnections, encryption: { mode, keys: laneKeys } },
    sending,
    onUnproven: (unproven) => trust.refused(unproven),
  });
  try {
    return await new Hub(options, swarm, laneKeys, trust, new FileSender(sending.line())).start();
  } catch (thrown) {
    await swarm.close();
    throw thrown;
  }
}

class Hub implements RunningHub {
  url = '';
  readonly #options: HubOptions;
  readonly #swarm: Swarm;
  readonly #laneKeys: LaneKeys;
  readonly #trust: SwarmTrust;
  readonly #stopping = new AbortController();
  readonly #keys: KnownKeys;
  readonly #shelf: Shelf;
  readonly #tracker: Tracker;
  readonly #reports: ReportQueue;
  readonly #agents: Agents;
  readonly #revocations: Revocations;
  readonly #sessions: AgentSessions;
  readonly #server: Server;
  /** Begins to take up a renewed certificate; what it gives ends that. */
  readonly #followTls: (() => () => void) | undefined;
  #stopFollowing: (() => void) | undefined;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: maxFrameBytes, perMessageDeflate: false });
  readonly #loops: Loop[];
  #watching: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  #areKeysKnown = false;
  /** Why the key store cannot be followed, and since when. */
  #keysTrouble: { why: string; since: Date } | undefined;

  constructor(options: HubOptions, swarm: Swarm, laneKeys: LaneKeys, trust: SwarmTrust, files: FileSender) {
    const { name, region, dataDir, blobs, control, clock, log, trusted } = options;
    const { rackDownload } = options.swarm;
    this.#options = options;
    this.#swarm = swarm;
    this.#laneKeys = laneKeys;
    this.#trust = trust;
    this.#keys = new KnownKeys(
      region,
      new TrustedKeys('version-key', trusted.versionKeys),
      join(dataDir, 'keys.json'),
      log,
    );
    this.#tracker = new Tracker({
      isPutAside: (machine) => trust.isPutAside(machine),
      rackRate: () => rackDownload && rateAt(rackDownload, clock.now()),
      hubFor: (infoHash) => (this.#shelf.isServing(infoHash) ? swarm.address : undefined),
      send: (machine, infoHash, handout, everyMs) => this.#agents.sendPeers(machine, infoHash, handout, everyMs),
    });
    this.#shelf = new Shelf({
      dataDir,
      blobs,
      trusted: new TrustedKeys('manifest', trusted.manifests),
      swarm,
      clock,
      log,
      keptBytes: options.keptBytes ?? defaultKeptBytes,
      onServingChange: (infoHash) => this.#tracker.hubChanged(infoHash),
    });
    const eyes = new SwarmEyes(clock);
    this.#reports = new ReportQueue({
      hub: name,
      region,
      control,
      clock,
      log,
      maxReports,
      onAccepted: (machine, upToSequence) => this.#agents.sendAccepted(machine, upToSequence),
      connected: () => this.#agents.states(),
      swarms: () => eyes.due(),
    });
    this.#agents = new Agents({
      hub: name,
      region,
      reports: this.#reports,
      trust,
      tracker: this.#tracker,
      eyes,
      swarm: swarm.address,
      keys: () => (this.#areKeysKnown ? this.#keys.all() : undefined),
      clock,
      log,
    });
    this.#revocations = new Revocations({
      control,
      path: join(dataDir, 'revoked-agents.json'),
      clock,
      log,
      onRevoked: (agent) => {
        this.#sessions.end(agent);
        this.#agents.shutOut(agent);
      },
    });
    this.#sessions = new AgentSessions({
      hub: name,
      region,
      trusted: new TrustedKeys('agent-credential', trusted.agentCredentials),
      revocations: this.#revocations,
      clock,
    });
    const posts = new AgentRequests({ sessions: this.#sessions, proxies: options.proxies, control, clock, log });
    this.#loops = [
      new Loop({ name: 'handout', everyMs: handOutEveryMs, clock, log, pass: async () => this.#handOut() }),
      new Loop({ name: 'pulse', everyMs: beatEveryMs, clock, log, pass: async () => this.#agents.checkPulses() }),
    ];
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      answer(request, response, {
        sessions: this.#sessions,
        posts,
        files,
        bytes: {
          manifest: (digest) => this.#shelf.manifest(digest) ?? this.#unknown(),
          shortManifest: async (digest, has) => (await this.#shelf.shortManifest(digest, has)) ?? this.#unknown(),
          pack: (sha256) => this.#shelf.pack(sha256) ?? this.#unknown(),
        },
        health: () => this.#health(),
        metrics: () => this.#trust.metrics(),
      }).catch((thrown: unknown) => {
        log.error({ err: thrown }, `${request.method} ${request.url}: ${messageOf(thrown)}`);
        response.destroy();
      });
    };
    const { tls } = options;
    const pair = tls && readTls(tls);
    const secured = pair && createSecureServer({ ...pair, ...tlsLimits }, onRequest);
    this.#followTls = secured && tls && (() => followTlsFiles(secured, tls, pair, clock, log));
    this.#server = secured ?? createServer(onRequest);
    this.#server.timeout = idleSocketTimeoutMs;
    this.#server.requestTimeout = requestTimeoutMs;
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async start(): Promise<RunningHub> {
    const { log, listen } = this.#options;
    await this.#shelf.open();
    await this.#revocations.load();
    this.url = await this.#listen(listen.host, listen.port);
    this.#stopFollowing = this.#followTls?.();
    if (await this.#keys.load()) this.#useKeys();
    for (const loop of this.#loops) loop.start();
    this.#reports.start();
    this.#revocations.start();
    this.#watching = this.#watch();
    log.info(
      `hub of ${this.#options.region} at ${this.url}, swarm at ${this.#swarm.address.host}:${this.#swarm.address.port}`,
    );
    return this;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    this.#stopFollowing?.();
    await Promise.all([this.#watching, this.#revocations.stop(), ...this.#loops.map((loop) => loop.stop())]);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#agents.closeAll();
    this.#server.closeIdleConnections();
    const farewell = new AbortController();
    await Promise.race([closed, this.#options.clock.sleep(farewellMs, farewell.signal)]);
    farewell.abort();
    this.#agents.terminateAll();
    this.#server.closeAllConnections();
    await this.#reports.stop();
    await this.#shelf.stop();
    await this.#swarm.close();
    await this.#keys.saved();
    await closed;
  }

  #listen(host: string, port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new StarlingError('UNAVAILABLE', `the hub cannot listen on ${host}:${port}: ${error.message}`, {
            field: 'listen',
            fix:
              error.code === 'EADDRINUSE'
                ? 'Choose another port, or stop what has it.'
                : 'Name an address of this host.',
            cause: error,
          }),
        );
      });
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        const bound = typeof address === 'object' && address ? address.port : port;
        resolve(`${this.#options.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`);
      });
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const owner = this.#sessions.ownerOf(request.headers.authorization);
    const refusal = this.#upgradeRefusal(request);
    if (refusal || !owner) {
      socket.end(`HTTP/1.1 ${refusal ?? '401 Unauthorized'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const address = callerAddress(request, this.#options.proxies);
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#agents.accept(webSocket, address, owner));
  }

  /** Before the keys are known, what no known key names may be named by one of them. */
  #unknown(): 'pulling' | undefined {
    return this.#areKeysKnown ? undefined : 'pulling';
  }

  #upgradeRefusal(request: IncomingMessage): string | undefined {
    if (request.url?.split('?')[0] !== '/agent') return '404 Not Found';
    return this.#stopping.signal.aborted ? '503 Service Unavailable' : undefined;
  }

  /** Follows the region's keys for ever. */
  async #watch(): Promise<void> {
    const { keys, clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        // All at once first: what no key names may be let go of only when all keys are known.
        for (const key of await keys.list()) this.#accept(key);
        this.#useKeys();
        this.#noteKeys(undefined);
        const onKey = (key: VersionKey) => {
          if (this.#accept(key)) this.#useKeys();
        };
        await keys.watch(onKey, signal, (why) => this.#noteKeys(why));
      } catch (thrown) {
        this.#noteKeys(messageOf(thrown));
        log.warn(`the version keys cannot be followed (${messageOf(thrown)}); again in ${watchPauseMs} ms`);
      }
      await clock.sleep(watchPauseMs, signal);
    }
  }

  #handOut(): void {
    for (const machine of this.#trust.takeRestored()) this.#tracker.trustChanged(machine);
    this.#tracker.handOutDue();
  }

  #noteKeys(why: string | undefined): void {
    const since = this.#keysTrouble?.since ?? new Date(this.#options.clock.now());
    this.#keysTrouble = why === undefined ? undefined : { why, since };
  }

  #accept(candidate: unknown): boolean {
    const key = this.#keys.accept(candidate);
    if (!key) return false;
    this.#options.log.info(`key ${key.sequence} of ${key.project}`);
    this.#agents.push(key);
    return true;
  }

  #useKeys(): void {
    for (const key of this.#keys.all()) this.#laneKeys.set(key.project, swarmSecretsOf(key));
    this.#shelf.name(this.#keys.all().flatMap((key) => buildsNamedBy(key)));
    if (this.#areKeysKnown) return;
    this.#areKeysKnown = true;
    this.#agents.keysAreKnown();
  }

  #health(): object {
    const { name, region } = this.#options;
    const builds = this.#shelf.describe();
    const control = this.#reports.lastError ?? '';
    const revocations = this.#revocations.lastError ?? '';
    const isWell =
      !this.#keysTrouble && control === '' && revocations === '' && builds.every(({ reason }) => reason === '');
    return {
      status: isWell ? 'ok' : 'degraded',
      hub: name,
      region,
      swarm: this.#swarm.address,
      agents: this.#agents.count,
      trust: this.#trust.describe(),
      keys: {
        error: this.#keysTrouble?.why ?? (this.#areKeysKnown ? '' : 'not known yet'),
        /** Since when their store is away; what is known is handed out meanwhile. */
        awaySince: this.#keysTrouble?.since ?? null,
        sequences: Object.fromEntries(this.#keys.all().map(({ project, sequence }) => [project, sequence])),
      },
      control: { error: control, reportsWaiting: this.#reports.size },
      revokedAgents: { known: this.#revocations.isKnown, count: this.#revocations.count, error: revocations },
      builds,
      swarms: this.#tracker.describe(),
    };
  }
}
