import { makeFolder } from '@starling/host/durable-file.ts';
import { identityPath, openIdentity } from '@starling/host/kept-identity.ts';
import { rateAt } from '@starling/shared/byte-rate.ts';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { type HubFrame, hubProtocolVersion, type SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { isReadableOnTheWay } from '@starling/shared/loopback.ts';
import { isOpen, waitsForWindow } from '@starling/shared/maintenance.ts';
import { generateSigningKey } from '@starling/shared/signing.ts';
import { swarmSecretsOf, type VersionKey } from '@starling/shared/version-key.ts';
import { projectName } from '@starling/shared/words.ts';
import { LaneKeys } from '@starling/swarm/lane-keys.ts';
import type { Swarm, SwarmOptions } from '@starling/swarm/swarm.ts';
import { TokenBucket } from '@starling/swarm/token-bucket.ts';
import type { Logger } from 'pino';
import type { AgentConfig } from './config.ts';
import { HubAccess } from './control/hub-access.ts';
import { HubConnection } from './control/hub-connection.ts';
import { KeyGate } from './control/key-gate.ts';
import { KeyStore } from './control/key-store.ts';
import { type FreeBytes, freeBytes } from './fetch/disk-space.ts';
import { PackSwarms } from './fetch/pack-swarms.ts';
import { namesIn } from './lib/folders.ts';
import type { JournalWatch } from './machine/journal.ts';
import { desiredBy, isAtRest, reportOf, type Situation } from './machine/situation.ts';
import { openProject, type Project } from './project.ts';
import { Outbox } from './report/outbox.ts';
import { ReportSender } from './report/report-sender.ts';
import { DataLayout, slotName } from './slots/layout.ts';
import { lockDataFolder } from './supervise/data-lock.ts';
import { agentVersion } from './version.ts';

export interface AgentOptions {
  config: AgentConfig;
  openSwarm: (options: SwarmOptions) => Promise<Swarm>;
  log: Logger;
  clock?: Clock;
  freeBytes?: FreeBytes;
  /** As much of a pack as this comes straight from the hub, more from the swarm; 2 MiB by default. */
  smallFetchBytes?: number;
  watchJournal?: (project: string, ...rest: Parameters<JournalWatch>) => void | Promise<void>;
  /** The hub has welcomed this agent; again on each connection. */
  onWelcome?: () => void;
  /** Told when the agent found a defect of its own and must not go on; by default it is thrown. */
  onDefect?: (error: unknown) => void;
}

export interface Agent {
  /** Where others of the swarm reach this machine. */
  readonly swarmAddress: SwarmPeer;
  /** What the journal of a project says; undefined when no key named it yet. */
  situationOf(project: string): Situation | undefined;
  /** Stops all work where it is, programs as the configuration says, and lets go of the data folder. */
  stop(): Promise<void>;
}

const maxConnections = 64;
const stopPartMs = 10_000;

/**
 * Starts the agent of this machine: takes the data folder, opens the swarm, goes on with every project where the
 * journal stands, and connects to the hub. CONFLICT when another agent has the data folder.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { config, log } = options;
  const clock = options.clock ?? systemClock;
  const layout = new DataLayout(config.dataFolder);
  for (const folder of [layout.root, layout.keys, layout.packs, layout.projects]) await makeFolder(folder);
  const unlock = await lockDataFolder(layout.root);
  const identity = await openIdentity(
    identityPath(layout.root, 'agent', config.machine),
    () => generateSigningKey().privatePem,
  );
  const outbox = await Outbox.open(layout.outbox, clock);
  const keys = await KeyStore.open(layout.keys);
  const laneKeys = new LaneKeys();
  let fetchingAhead = 0;
  const sending = new TokenBucket(() => rateAt(config.swarmUpload, clock.now()));
  const receiving = new TokenBucket(() =>
    lowest(
      rateAt(config.swarmDownload, clock.now()),
      // What is fetched ahead is fetched alone, so its rate can be that of everything.
      fetchingAhead > 0 && isIdle() ? rateAt(config.prefetchDownload, clock.now()) : undefined,
    ),
  );
  const receivingFromHub = receiving.line();
  const swarm = await options
    .openSwarm({
      host: config.swarmHost,
      port: config.swarmPort,
      maxConnections,
      encryption: { mode: config.swarmEncryption, keys: laneKeys },
      sending,
      receiving,
      onUnproven: ({ hasCalled, ...peer }) => {
        const who = `${peer.host}:${peer.port}`;
        if (hasCalled) log.debug({ peer }, `${who} called and has no key of these swarms`);
        else log.warn({ peer }, `${who} has no key of this swarm; it is not asked for now`);
      },
      onBadPeer: ({ peer, infoHash, piece }) => {
        log.warn(
          { peer, infoHash, piece },
          `${peer.host}:${peer.port} sent wrong bytes; nothing is asked of it for now`,
        );
        connection.send({ type: 'badPeer', infoHash, peer });
      },
    })
    .catch(async (thrown) => {
      await outbox.close();
      await unlock();
      throw thrown;
    });

  const access = new HubAccess({ ...config, identity, clock, log });
  const projects = new Map<string, Promise<Project>>();
  const machines = new Map<string, Project>();
  const connection = new HubConnection({
    hubUrl: config.hubUrl,
    access,
    clock,
    log,
    hello: () => ({
      type: 'hello',
      protocol: hubProtocolVersion,
      machine: config.machine,
      region: config.region,
      labels: config.labels,
      agentVersion,
      swarm: swarm.address,
    }),
    onWelcome: () => {
      restate();
      sender.connected();
      packs.announceAll();
      options.onWelcome?.();
    },
    onFrame,
  });
  const sender = new ReportSender(outbox, clock, (frame) => connection.send(frame));
  const packs = new PackSwarms({ swarm, folder: layout.packs, clock, log, send: (frame) => connection.send(frame) });
  const gate = new KeyGate({ keys, trusted: config.versionKeys, region: config.region, clock });

  // Programs and seeds first: what the machine runs does not wait for a hub.
  const known = (await namesIn(layout.projects)).filter((name) => projectName.safeParse(name).success);
  for (const name of known) await projectOf(name);
  takeBackOwnBuild();
  for (const key of keys.all()) await follow(key);
  if (isReadableOnTheWay(config.hubUrl) && config.swarmEncryption !== 'off')
    log.warn(
      { hub: config.hubUrl },
      'the hub is spoken to in plain HTTP: whoever reads along on this network can take part in its swarms, and use the session of this machine. Give the hub a certificate, and this machine an https:// address of it',
    );
  packs.start();
  sender.start();
  connection.start();
  log.info({ machine: config.machine, region: config.region, swarm: swarm.address, version: agentVersion }, 'started');

  return {
    swarmAddress: swarm.address,
    situationOf: (name) => machines.get(name)?.machine.situation,
    stop,
  };

  function projectOf(name: string): Promise<Project> {
    let project = projects.get(name);
    if (!project) {
      project = openProject(name, {
        config,
        access,
        layout,
        packs,
        clock,
        log: log.child({ project: name }),
        receiving: receivingFromHub,
        freeBytes: options.freeBytes ?? freeBytes,
        smallFetchBytes: options.smallFetchBytes,
        watchJournal: options.watchJournal && ((...rest) => options.watchJournal?.(name, ...rest)),
        prunePacks,
        report: (content) => void outbox.append(content),
        send: (frame) => connection.send(frame),
        onDefect,
        isIdle,
        onAhead: (isActive) => {
          fetchingAhead += isActive ? 1 : -1;
        },
      }).then((opened) => {
        machines.set(name, opened);
        opened.machine.start();
        opened.prefetcher.start();
        return opened;
      });
      projects.set(name, project);
      project.catch(() => projects.delete(name));
    }
    return project;
  }

  /** The agent that was deployed last did not come up, and the launcher started this one: the build is not committed after all. */
  function takeBackOwnBuild(): void {
    const { agentProject, fellBack } = config;
    const machine = agentProject === undefined ? undefined : machines.get(agentProject)?.machine;
    const current = machine?.situation.current;
    if (!machine || !fellBack || !current || slotName(current) !== fellBack.slot) return;
    log.error(fellBack.why);
    if (machine.situation.earlier.length > 0) machine.crashLoops(fellBack.why);
    else machine.note(`${fellBack.why}; there is no earlier build, the agent that is installed runs`);
  }

  async function follow(key: VersionKey): Promise<void> {
    laneKeys.set(key.project, swarmSecretsOf(key));
    for (const { prefetcher } of machines.values()) prefetcher.giveWay();
    const { machine, prefetcher } = await projectOf(key.project);
    machine.follow(desiredBy(key, config.machine, config.labels));
    prefetcher.follow(key);
  }

  function isIdle(): boolean {
    return [...machines.values()].every(({ machine }) => isAtRest(machine.situation.state));
  }

  function onFrame(frame: HubFrame): void {
    if (frame.type === 'welcome') {
      packs.hub = frame.swarm;
      // A hub that was started anew knows of no fetch that has ended.
      for (const { repeatProgress } of machines.values()) repeatProgress();
    }
    if (frame.type === 'reportsAccepted') sender.accepted(frame.upToSequence);
    if (frame.type === 'peers') packs.setPeers(frame);
    if (frame.type === 'key') {
      gate
        .admit(frame.key)
        .then((verdict) => {
          if (verdict.follow) return follow(frame.key);
          if (verdict.reason !== null) refuse(frame.key.project, verdict.reason);
        })
        .catch((thrown) => log.error({ err: thrown }, `a key could not be followed: ${messageOf(thrown)}`));
    }
  }

  /** Tells of a key that is not followed; the step that the machine is in stays as it is. */
  function refuse(name: string, reason: string): void {
    log.warn({ project: name }, reason);
    const machine = machines.get(name)?.machine;
    const nothing = { step: 'IDLE', observedBuild: null, desiredBuild: null, deployment: null } as const;
    if (machine) machine.note(reason);
    else outbox.append({ project: name, ...nothing, detail: reason });
  }

  /** Says how every project stands, so that control knows it whatever it missed. */
  function restate(): void {
    for (const [name, { machine }] of machines) {
      const { problem, state } = machine.situation;
      const waits = state === 'STAGED' && !isOpen(machine.situation.desired?.windows ?? [], clock.now());
      const why = state === 'FAILED' || state === 'REVERTING' ? problem : waits ? waitsForWindow : '';
      const now = reportOf(machine.situation, why);
      const waiting = outbox.latestOf(name);
      const isSaid =
        waiting?.step === now.step &&
        waiting.deployment === now.deployment &&
        waiting.observedBuild === now.observedBuild;
      if (!isSaid) outbox.append(now);
    }
  }

  async function prunePacks(): Promise<void> {
    const needed = new Set<string>();
    for (const { slots, prefetcher } of machines.values())
      for (const sha256 of [...(await slots.packs()), ...prefetcher.packs()]) needed.add(sha256);
    await packs.prune(needed);
  }

  function onDefect(error: unknown): void {
    log.fatal({ err: error }, `a defect of the agent: ${messageOf(error)}`);
    if (options.onDefect) options.onDefect(error);
    else throw error;
  }

  async function stop(): Promise<void> {
    await part('the hub', connection.stop());
    await part('the reports', sender.stop());
    await Promise.all(
      [...machines].map(([name, { prefetcher }]) => part(`fetching ahead for ${name}`, prefetcher.stop())),
    );
    await Promise.all([...machines].map(([name, { machine }]) => part(`the project ${name}`, machine.stop())));
    if (config.programsOnStop === 'stop') {
      await Promise.all(
        [...machines].map(([name, { stopProgram }]) => part(`the program of ${name}`, stopProgram(), false)),
      );
    }
    for (const { leaveProgram } of machines.values()) leaveProgram();
    await part('what lets it in', access.close());
    await part('the packs', packs.close());
    await part('the swarm', swarm.close());
    await part('the outbox', outbox.close());
    await part('the data folder', unlock());
    log.info('stopped');
  }

  /** One part of stopping: what fails or hangs is logged, and the rest is still stopped. */
  async function part(what: string, work: Promise<void>, limited = true): Promise<void> {
    const done = new AbortController();
    try {
      const late = clock.sleep(stopPartMs, done.signal).then(() => {
        if (!done.signal.aborted) throw new Error(`not within ${formatDuration(stopPartMs)}`);
      });
      await (limited ? Promise.race([work, late]) : work);
      late.catch(() => undefined);
    } catch (thrown) {
      log.error({ err: thrown }, `stopping ${what} failed: ${messageOf(thrown)}`);
    } finally {
      done.abort();
    }
  }
}

/** The lower of two limits, of which undefined is none. */
function lowest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}
