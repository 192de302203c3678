import type { Clock } from '@starling/shared/clock.ts';
import type { HubFrame, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import type { WebSocket } from 'ws';
import type { Logger } from '../lib/log.ts';
import { AgentConnection, type Hello, type LaterFrame } from './agent-connection.ts';
import type { Handout } from './handout.ts';
import type { SessionOwner } from './ports.ts';
import { Pulse } from './pulse.ts';
import type { MachineState, ReportQueue } from './report-queue.ts';
import type { SwarmEyes } from './swarm-eyes.ts';
import type { SwarmTrust } from './swarm-trust.ts';
import type { Tracker } from './tracker.ts';

/** Swarms that one machine may be in at once, as far as this hub remembers. */
const maxSwarmsPerMachine = 64;

export interface AgentsOptions {
  hub: string;
  region: string;
  reports: ReportQueue;
  tracker: Tracker;
  eyes: SwarmEyes;
  trust: SwarmTrust;
  /** Where the hub is in swarms. */
  swarm: SwarmPeer;
  /** The keys that agents are sent; undefined until they are known. */
  keys: () => VersionKey[] | undefined;
  clock: Clock;
  log: Logger;
}

interface Connected {
  connection: AgentConnection;
  state: MachineState;
  swarms: Set<string>;
  isWelcomed: boolean;
}

/** The agents that are connected, one connection a machine. */
export class Agents {
  readonly #options: AgentsOptions;
  readonly #connected = new Map<string, Connected>();
  /** Every open socket, those that have not said hello too, with whose session it was opened. */
  readonly #open = new Map<AgentConnection, SessionOwner>();

  readonly #pulse = new Pulse();

  constructor(options: AgentsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#connected.size;
  }

  states(): MachineState[] {
    return [...this.#connected.values()].map(({ state }) => state);
  }

  /** Takes over a socket that shows the session of `owner`; it speaks for that machine alone. */
  accept(socket: WebSocket, remoteAddress: string, owner: SessionOwner): void {
    const connection = new AgentConnection(
      socket,
      {
        onHello: (from, hello) => this.#onHello(from, hello, remoteAddress, owner),
        onFrame: (from, frame) => this.#onFrame(from, frame),
        onClose: (from) => this.#onClose(from),
      },
      this.#options.clock,
    );
    this.#open.set(connection, owner);
    socket.once('close', () => this.#open.delete(connection));
  }

  /** Ends every connection of a key that was revoked. */
  shutOut({ machine, keyHash }: SessionOwner): void {
    for (const [connection, owner] of this.#open) {
      if (owner.keyHash === keyHash) connection.refuse(`the identity of ${machine} was revoked`);
    }
  }

  /** Tells every agent a new key. */
  push(key: VersionKey): void {
    const text = JSON.stringify({ type: 'key', key } satisfies HubFrame);
    for (const { connection, isWelcomed } of this.#connected.values()) if (isWelcomed) connection.sendText(text);
  }

  /** Tells agents that connected before the keys were known. */
  keysAreKnown(): void {
    for (const agent of this.#connected.values()) this.#welcome(agent);
  }

  sendPeers(machine: string, infoHash: string, { peers, slice }: Handout, announceEveryMs: number): void {
    this.#connected.get(machine)?.connection.send({
      ...{ type: 'peers', infoHash, peers, announceEveryMs },
      ...(slice && { slice }),
    });
  }

  sendAccepted(machine: string, upToSequence: number): void {
    this.#connected.get(machine)?.connection.send({ type: 'reportsAccepted', upToSequence });
  }

  /** To be called every `beatEveryMs`. */
  checkPulses(): void {
    this.#pulse.beat(this.#open.keys(), this.#options.clock.now());
  }

  closeAll(): void {
    for (const connection of this.#open.keys()) connection.close(1001, 'the hub is stopping');
  }

  terminateAll(): void {
    for (const connection of this.#open.keys()) connection.terminate();
  }

  #onHello(connection: AgentConnection, hello: Hello, remoteAddress: string, owner: SessionOwner): string | undefined {
    const { region, reports, log } = this.#options;
    const { machine, labels, agentVersion } = hello;
    if (hello.region !== region) return `this hub is of the region ${region}, the agent of ${hello.region}`;
    if (machine !== owner.machine) return `this is the session of ${owner.machine}, not of ${machine}`;
    const earlier = this.#connected.get(machine);
    if (earlier) {
      log.info(`${machine} connected again; its earlier connection is closed`);
      this.#forget(machine);
      earlier.connection.close(4000, 'the machine connected again');
    }
    const state: MachineState = { machine, labels, agentVersion, address: remoteAddress, connected: true };
    const agent: Connected = { connection, state, swarms: new Set(), isWelcomed: false };
    this.#connected.set(machine, agent);
    reports.connected(state);
    this.#welcome(agent);
    return undefined;
  }

  #welcome(agent: Connected): void {
    const keys = this.#options.keys();
    if (!keys || agent.isWelcomed) return;
    agent.isWelcomed = true;
    for (const key of keys) agent.connection.send({ type: 'key', key });
    agent.connection.send({ type: 'welcome', hub: this.#options.hub, swarm: this.#options.swarm });
  }

  #onFrame(connection: AgentConnection, frame: LaterFrame): void {
    const { reports, tracker } = this.#options;
    const { machine, swarm, labels } = connection.hello;
    const agent = this.#connected.get(machine);
    // What a connection that was replaced still says is of no interest.
    if (agent?.connection !== connection) return;
    switch (frame.type) {
      case 'reports':
        // Without room nothing is answered: the agent sends them again.
        reports.add(machine, frame.reports);
        break;
      case 'progress':
        reports.addProgress(machine, frame.progress);
        this.#options.eyes.note(machine, labels, frame.progress);
        break;
      case 'announce':
        if (!agent.swarms.has(frame.infoHash) && agent.swarms.size >= maxSwarmsPerMachine) break;
        agent.swarms.add(frame.infoHash);
        tracker.announce(frame.infoHash, machine, {
          ...{ address: swarm, labels },
          ...{ share: frame.share, wants: frame.wants ?? true },
        });
        break;
      case 'badPeer': {
        const told = tracker.toldOf(frame.infoHash, machine, frame.peer);
        if (this.#options.trust.accuse(machine, told, frame.peer) && told) tracker.trustChanged(told);
        break;
      }
      case 'withdraw':
        agent.swarms.delete(frame.infoHash);
        tracker.withdraw(frame.infoHash, machine);
        break;
    }
  }

  #onClose(connection: AgentConnection): void {
    const { machine } = connection.hello;
    const agent = this.#connected.get(machine);
    if (agent?.connection !== connection) return;
    this.#forget(machine);
    this.#options.reports.disconnected(agent.state);
  }

  #forget(machine: string): void {
    this.#connected.delete(machine);
    this.#options.tracker.drop(machine);
    this.#options.eyes.forget(machine);
  }
}
