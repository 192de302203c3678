import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { holdsKey, readCredential, sessionRequest } from '@starling/shared/agent-identity.ts';
import { agentEnrolment } from '@starling/shared/enrolment.ts';
import { type AgentFrame, agentFrame, type HubFrame, type MachineReport } from '@starling/shared/hub-protocol.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { type WebSocket, WebSocketServer } from 'ws';

/**
 * A hub that serves manifests from a folder, hands out the keys it was given and collects what agents say. It lets agents
 * in as a real one does, with an enrolment token first, and then with sessions.
 */
export class FakeHub {
  static readonly token = 'enrol-me';
  /** The public key of each machine that enrolled. */
  readonly enrolled = new Map<string, string>();
  readonly revoked = new Set<string>();
  readonly sessions = new Set<string>();
  /** How often each path was posted to. */
  readonly posts = new Map<string, number>();
  /** Replaced, it trusts no credential from before. */
  signing = generateSigningKey();
  /** It trusts another control than the one that signs. */
  takesNothing = false;
  readonly frames: AgentFrame[] = [];
  readonly reports: MachineReport[] = [];
  readonly keys = new Map<string, VersionKey>();
  acceptsReports = true;
  manifestRequests = 0;
  /** The ranges of packs that were asked for. */
  readonly ranges: [start: number, end: number][] = [];
  readonly #server: Server;
  readonly #sockets = new Set<WebSocket>();
  readonly #waiting = new Set<() => void>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(folder: string): Promise<FakeHub> {
    const server = createServer();
    const hub = new FakeHub(server);
    server.on('request', (request, response) => {
      if (request.method === 'POST') return void hub.#answerPost(request, response);
      if (!hub.#hasSession(request)) return response.writeHead(401).end();
      if (request.url?.startsWith('/manifests/')) hub.manifestRequests += 1;
      readFile(join(folder, request.url ?? '')).then(
        (bytes) => {
          const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
          if (!range) return response.writeHead(200).end(request.method === 'HEAD' ? undefined : bytes);
          hub.ranges.push([Number(range[1]), Number(range[2]) + 1]);
          const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
          const last = Number(range[1]) + part.length - 1;
          return response.writeHead(206, { 'content-range': `bytes ${range[1]}-${last}/${bytes.length}` }).end(part);
        },
        () => response.writeHead(404).end(),
      );
    });
    const sockets = new WebSocketServer({
      server,
      path: '/agent',
      verifyClient: ({ req }: { req: IncomingMessage }) => hub.#hasSession(req),
    });
    sockets.on('connection', (socket) => hub.#serve(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  publishKey(key: VersionKey): void {
    this.keys.set(key.project, key);
    this.send({ type: 'key', key });
  }

  send(frame: HubFrame): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(frame));
  }

  /** Breaks every connection without a word. */
  drop(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  /** Waits until what the agents said so far fulfils a condition. */
  async until(what: string, condition: (hub: FakeHub) => boolean, timeoutMs = 15_000): Promise<void> {
    if (condition(this)) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        const said = this.reports.slice(-12).map((r) => `${r.step} ${r.observedBuild} ${r.deployment} ${r.detail}`);
        finish(() => reject(new Error(`waited in vain for ${what}; the last reports:\n${said.join('\n')}`)));
      }, timeoutMs);
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const look = () => condition(this) && finish(resolve);
      this.#waiting.add(look);
    });
  }

  /** Waits for a report of a step of a deployment, among those from `since` on. */
  async untilStep(step: MachineReport['step'], deployment: number, since = 0): Promise<MachineReport> {
    const find = () => this.reports.slice(since).find((r) => r.step === step && r.deployment === deployment);
    await this.until(`${step} of deployment ${deployment}`, () => find() !== undefined);
    return find() as MachineReport;
  }

  async stop(): Promise<void> {
    this.drop();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #hasSession({ headers }: IncomingMessage): boolean {
    return this.sessions.has(headers.authorization?.replace('Bearer ', '') ?? '');
  }

  async #answerPost(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.posts.set(path, (this.posts.get(path) ?? 0) + 1);
    const body = JSON.parse((await request.setEncoding('utf8').toArray()).join('')) as Record<string, unknown>;
    const { status, ...answer } = this.#take(path, body);
    response.writeHead(status as number).end(JSON.stringify(answer));
  }

  #take(path: string, body: Record<string, unknown>): { status: number; [member: string]: unknown } {
    if (path === '/agents/challenge') return { status: 200, hub: 'fake', nonce: randomUUID() };
    if (path === '/enrol') {
      const { token, name, region, publicKey } = agentEnrolment.parse(body);
      if (this.enrolled.get(name) !== publicKey && token !== FakeHub.token)
        return { status: 401, code: 'UNAUTHENTICATED', message: 'This enrolment token is not known here.' };
      this.enrolled.set(name, publicKey);
      const signer = new Signer('agent-credential', this.signing.privatePem);
      return { status: 200, ...signer.sign({ format: 1, machine: name, region, publicKey, issuedAt: 1 }) };
    }
    const { credential: candidate, nonce, signature } = sessionRequest.parse(body);
    const credential = readCredential(candidate, new TrustedKeys('agent-credential', [this.signing.publicPem]));
    if (this.takesNothing) return { status: 403, code: 'NOT_TRUSTED', message: 'it is not trusted here' };
    if (typeof credential === 'string') return { status: 403, code: 'NOT_TRUSTED', message: credential };
    if (this.revoked.has(credential.machine)) return { status: 403, code: 'REVOKED', message: 'it was revoked' };
    if (!holdsKey(credential, { hub: 'fake', nonce }, signature))
      return { status: 403, code: 'BAD_PROOF', message: 'a wrong signature' };
    const session = randomUUID();
    this.sessions.add(session);
    return { status: 200, session, expiresInMs: 60_000 };
  }

  #serve(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('message', (data) => {
      const frame = agentFrame.parse(JSON.parse(String(data)));
      this.frames.push(frame);
      const send = (answer: HubFrame) => socket.send(JSON.stringify(answer));
      if (frame.type === 'hello') {
        for (const key of this.keys.values()) send({ type: 'key', key });
        send({ type: 'welcome', hub: 'fake' });
      }
      if (frame.type === 'reports') {
        for (const report of frame.reports) {
          if (report.sequence > (this.reports.at(-1)?.sequence ?? 0)) this.reports.push(report);
        }
        const last = frame.reports.at(-1);
        if (last && this.acceptsReports) send({ type: 'reportsAccepted', upToSequence: last.sequence });
      }
      for (const look of this.#waiting) look();
    });
  }
}
