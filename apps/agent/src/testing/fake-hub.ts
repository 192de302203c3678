import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type AgentFrame, agentFrame, type HubFrame, type MachineReport } from '@starling/shared/hub-protocol.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { type WebSocket, WebSocketServer } from 'ws';

/** A hub that serves manifests from a folder, hands out the keys it was given and collects what agents say. */
export class FakeHub {
  static readonly token = 'agent-token';
  readonly frames: AgentFrame[] = [];
  readonly reports: MachineReport[] = [];
  readonly keys = new Map<string, VersionKey>();
  acceptsReports = true;
  manifestRequests = 0;
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
      if (request.headers.authorization !== `Bearer ${FakeHub.token}`) return response.writeHead(401).end();
      hub.manifestRequests += 1;
      readFile(join(folder, request.url ?? '')).then(
        (bytes) => response.writeHead(200).end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    const sockets = new WebSocketServer({ server, path: '/agent' });
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
