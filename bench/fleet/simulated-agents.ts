import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { answerChallenge, publicKeyOf } from '@starling/shared/agent-identity.ts';
import { hubProtocolVersion, type MachineReport } from '@starling/shared/hub-protocol.ts';
import { Signer } from '@starling/shared/signing.ts';
import { targetFor, type VersionKey } from '@starling/shared/version-key.ts';
import { LightSocket } from './light-socket.ts';

// Some thousands of the agents of one hub in one process: each has a key and a credential of its own, proves itself, opens its own
// connection, says hello, and does what it is told in the steps and frames of a real agent - without a disk, a swarm or a
// program. Told what to do in a file, asked over IPC.

export interface SimulatedAgentsOrder {
  hubUrl: string;
  region: string;
  /** These of the hub's agents, by number from 1. */
  first: number;
  count: number;
  racks: number;
  /** Addresses of this end; taken in turns. */
  localAddresses: string[];
  /** Sign-ins under way at once. */
  atOnce: number;
  identityKeyFile: string;
  /** How long each one fetches and probes, between the two. */
  fetchMs: [number, number];
  probeMs: number;
}

export interface SimulatedAgentsState {
  welcomed: number;
  closed: number;
  lastWhy: string;
  reportsSent: number;
  reportsAccepted: number;
  sentAgain: number;
  lastAcceptedAt: number;
  peersFrames: number;
}

const order = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as SimulatedAgentsOrder;
const hubUrl = new URL(order.hubUrl);
const signer = new Signer('agent-credential', readFileSync(order.identityKeyFile, 'utf8'));
/** By deployment: when each agent was told, in milliseconds after the key was issued. */
const told: Record<number, number[]> = {};
const http = new Agent({ keepAlive: true, maxSockets: order.atOnce });
const state: SimulatedAgentsState = {
  welcomed: 0,
  closed: 0,
  lastWhy: '',
  reportsSent: 0,
  reportsAccepted: 0,
  sentAgain: 0,
  lastAcceptedAt: 0,
  peersFrames: 0,
};

function post(path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request({
      agent: http,
      host: hubUrl.hostname,
      port: hubUrl.port,
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    sent.once('error', reject);
    sent.once('response', (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.once('end', () => {
        const text = Buffer.concat(pieces).toString();
        resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : JSON.parse(text) });
      });
    });
    sent.end(JSON.stringify(body));
  });
}

/** The keys that came lately, by their text: to thousands of agents it is the same. */
const parsed = new Map<string, VersionKey>();
function keyIn(text: string): VersionKey {
  let key = parsed.get(text);
  if (!key) {
    key = (JSON.parse(text) as { key: VersionKey }).key;
    if (parsed.size > 50) parsed.clear();
    parsed.set(text, key);
  }
  return key;
}

class SimulatedAgent {
  readonly #machine: string;
  readonly #rack: string;
  readonly #port: number;
  readonly #localAddress: string | undefined;
  #socket: LightSocket | undefined;
  #sequence = 0;
  #build: string | null = null;
  #deployment = 0;
  #accepted = 0;
  #isWelcomed = false;
  #movedAt = 0;
  /** Not accepted yet: sent again on each connection. */
  #waiting: MachineReport[] = [];

  constructor(index: number) {
    this.#machine = `${order.region}-${String(index).padStart(6, '0')}`;
    this.#rack = `r${index % order.racks}`;
    this.#port = 1_024 + (index % 60_000);
    this.#localAddress = order.localAddresses[index % order.localAddresses.length];
  }

  async connectAtLast(): Promise<void> {
    for (;;) {
      try {
        return await this.connect();
      } catch (thrown) {
        state.lastWhy = String(thrown);
        await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1_000));
      }
    }
  }

  async connect(): Promise<void> {
    // Not as text, which takes longer to write and read than all that is done with it.
    const { privateKey } = generateKeyPairSync('ed25519');
    const unsigned = {
      format: 1 as const,
      machine: this.#machine,
      region: order.region,
      publicKey: publicKeyOf(privateKey),
      issuedAt: 1,
    };
    const credential = signer.sign(unsigned);
    const { body: challenge } = await post('/agents/challenge', {});
    const proof = answerChallenge(privateKey, this.#machine, challenge as { hub: string; nonce: string });
    const opened = await post('/agents/session', { credential, nonce: challenge.nonce, signature: proof });
    if (opened.status !== 200) throw new Error(`no session: ${opened.status} ${JSON.stringify(opened.body)}`);
    await new Promise<void>((resolve, reject) => {
      this.#socket = new LightSocket(hubUrl, String(opened.body.session), this.#localAddress, {
        onOpen: () =>
          this.#send({
            type: 'hello',
            protocol: hubProtocolVersion,
            machine: this.#machine,
            region: order.region,
            labels: { rack: this.#rack },
            agentVersion: '0.1.0',
            swarm: { host: '10.0.0.1', port: this.#port },
          }),
        onText: (text) => {
          if (this.#onText(text)) resolve();
        },
        onClose: (why) => {
          reject(new Error(why));
          if (!this.#isWelcomed) return;
          this.#isWelcomed = false;
          state.welcomed -= 1;
          state.closed += 1;
          state.lastWhy = why;
          void this.connectAtLast();
        },
      });
    });
  }

  /** True for the frame that ends the greeting. */
  #onText(bytes: Buffer): boolean {
    const text = bytes.toString();
    if (text.startsWith('{"type":"key"')) this.#follow(keyIn(text));
    else if (text.startsWith('{"type":"reportsAccepted"')) {
      const upTo = (JSON.parse(text) as { upToSequence: number }).upToSequence;
      state.reportsAccepted += Math.max(0, upTo - this.#accepted);
      this.#accepted = Math.max(this.#accepted, upTo);
      this.#movedAt = Date.now();
      this.#waiting = this.#waiting.filter(({ sequence }) => sequence > upTo);
      state.lastAcceptedAt = Date.now();
    } else if (text.startsWith('{"type":"peers"')) state.peersFrames += 1;
    else if (text.startsWith('{"type":"welcome"')) {
      state.welcomed += 1;
      this.#isWelcomed = true;
      if (this.#waiting.length > 0) this.#send({ type: 'reports', reports: this.#waiting });
      return true;
    } else if (text.startsWith('{"type":"refused"')) state.lastWhy = text;
    return false;
  }
  #follow(key: VersionKey): void {
    const target = targetFor(key, this.#machine);
    if (!target || target.deployment === this.#deployment) return;
    this.#deployment = target.deployment;
    (told[target.deployment] ??= []).push(Date.now() - key.issuedAt);
    void this.#update(key.project, target.build, target.deployment, target.manifestDigest.slice(0, 40));
  }

  async #update(project: string, build: string, deployment: number, infoHash: string): Promise<void> {
    const report = (step: MachineReport['step']): MachineReport => ({
      sequence: ++this.#sequence,
      at: Date.now(),
      project,
      step,
      observedBuild: this.#build,
      desiredBuild: build,
      deployment,
      detail: '',
    });
    this.#reports([report('FETCHING')]);
    this.#send({ type: 'announce', infoHash, share: 0 });
    const [least, most] = order.fetchMs;
    const fetchMs = least + Math.random() * (most - least);
    for (let done = 0; done < fetchMs; done += 1_000) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(1_000, fetchMs - done)));
      const bytesDone = Math.round((Math.min(done + 1_000, fetchMs) / fetchMs) * 1e9);
      this.#send({
        type: 'progress',
        progress: { project, deployment, bytesDone, bytesTotal: 1e9, bytesPerSecond: 1e8 },
      });
    }
    this.#send({ type: 'announce', infoHash, share: 1 });
    this.#reports([report('VERIFYING'), report('STAGED'), report('STOPPING'), report('SWAPPING')]);
    this.#build = build;
    this.#reports([report('STARTING'), report('PROBING')]);
    await new Promise((resolve) => setTimeout(resolve, order.probeMs));
    this.#reports([report('COMMITTED')]);
  }

  sendAgain(): void {
    if (!this.#isWelcomed || this.#waiting.length === 0 || Date.now() - this.#movedAt < 15_000) return;
    this.#movedAt = Date.now();
    state.sentAgain += this.#waiting.length;
    this.#send({ type: 'reports', reports: this.#waiting });
  }

  #reports(reports: MachineReport[]): void {
    if (this.#waiting.length === 0) this.#movedAt = Date.now();
    state.reportsSent += reports.length;
    this.#waiting.push(...reports);
    if (this.#isWelcomed) this.#send({ type: 'reports', reports });
  }

  #send(frame: object): void {
    this.#socket?.send(JSON.stringify(frame));
  }
}

const agents: SimulatedAgent[] = [];
/** As a real agent: what nothing of was accepted for 15 s is sent again. */
setInterval(() => {
  for (const agent of agents) agent.sendAgain();
}, 5_000);

process.on('message', (message) => {
  if (message === 'state') process.send?.(state);
  if (message === 'told') process.send?.(told);
});
process.on('disconnect', () => process.exit(0));

let next = order.first - 1;
await Promise.all(
  Array.from({ length: order.atOnce }, async () => {
    while (next < order.first - 1 + order.count) {
      next += 1;
      const agent = new SimulatedAgent(next);
      agents.push(agent);
      await agent.connectAtLast();
    }
  }),
);
