import { z } from 'zod';
import { fetchAccount, mostViews, swarmView } from './swarm-view.ts';
import { versionKey } from './version-key.ts';
import { buildId, infoHashHex, machineId, machineSteps, projectName, regionName } from './words.ts';

// What an agent and its hub say to each other: JSON frames on one WebSocket (`/agent`), and plain HTTP GETs for
// bytes (`/manifests/<digest>`, `/packs/<digest>` with ranges), all with the agent's session as bearer token
// (`agent-identity.ts` says how it gets one).

export const hubProtocolVersion = 1;
export const maxFrameBytes = 1024 * 1024;
export const maxReportsPerBatch = 200;
/** As much of a pack comes straight from the hub: below it, being in a swarm costs more than the hub saves. */
export const smallFetchBytes = 2 * 1024 * 1024;

/** What a machine says of one project. Its sequence makes delivery at-least-once harmless. */
export const machineReport = z.object({
  /** Grows with every report of this machine, over restarts too. */
  sequence: z.number().int().positive(),
  /** Milliseconds since the epoch, by the machine's clock. */
  at: z.number().int(),
  project: projectName,
  step: z.enum(machineSteps),
  /** The build that runs (or lies in the `current` slot) now; null when there is none. */
  observedBuild: buildId.nullable(),
  /** The build the machine was told to run when it said this. */
  desiredBuild: buildId.nullable(),
  deployment: z.number().int().positive().nullable(),
  /** Why it failed or what it waits for, in a sentence; empty when there is nothing to say. */
  detail: z.string().max(4_000),
});
export type MachineReport = z.infer<typeof machineReport>;

/** How far a fetch is: sent about once a second while it runs, and only the latest counts. */
export const fetchProgress = z.object({
  project: projectName,
  deployment: z.number().int().positive(),
  bytesDone: z.number().int().nonnegative(),
  bytesTotal: z.number().int().nonnegative(),
  bytesPerSecond: z.number().int().nonnegative(),
  /** From whom, and what it waits for; agents before this was added leave it out. */
  account: fetchAccount.optional(),
});
export type FetchProgress = z.infer<typeof fetchProgress>;

export const swarmPeer = z.object({ host: z.string().max(255), port: z.number().int().min(1).max(65535) });
export type SwarmPeer = z.infer<typeof swarmPeer>;

/** A member that another is told to fetch from; `near` when both are in the same rack. */
export const handedPeer = swarmPeer.extend({ near: z.boolean().optional() });
export type HandedPeer = z.infer<typeof handedPeer>;

/**
 * Which pieces a member brings into its rack: those whose number leaves `index` when divided by `of`. The others it
 * gets from its neighbours there, so that each piece crosses the rack's uplink about once.
 */
export const rackSlice = z.object({
  index: z.number().int().nonnegative(),
  of: z.number().int().positive(),
  /** No more is to be brought in from outside the rack by this member, in bytes a second; no limit without. */
  bytesPerSecond: z.number().positive().optional(),
});
export type RackSlice = z.infer<typeof rackSlice>;

/** Agent to hub. */
export const agentFrame = z.discriminatedUnion('type', [
  /** First on every connection. */
  z.object({
    type: z.literal('hello'),
    protocol: z.literal(hubProtocolVersion),
    machine: machineId,
    region: regionName,
    labels: z.record(z.string().max(63), z.string().max(255)),
    agentVersion: z.string().max(64),
    /** Where other machines of the region reach this agent's swarm port. */
    swarm: swarmPeer,
  }),
  /** Acknowledged by `reportsAccepted` once control has them; sent again until then. */
  z.object({ type: z.literal('reports'), reports: z.array(machineReport).min(1).max(maxReportsPerBatch) }),
  z.object({ type: z.literal('progress'), progress: fetchProgress }),
  /**
   * "I am in this swarm with that much of the pack": on joining, every few seconds, and when complete. `wants` is false
   * when that is all it wants of it.
   */
  z.object({
    type: z.literal('announce'),
    infoHash: infoHashHex,
    share: z.number().min(0).max(1),
    wants: z.boolean().optional(),
  }),
  /** "I was sent a piece by this member that is not what it should be." */
  z.object({ type: z.literal('badPeer'), infoHash: infoHashHex, peer: swarmPeer }),
  /** "I left this swarm." */
  z.object({ type: z.literal('withdraw'), infoHash: infoHashHex }),
]);
export type AgentFrame = z.infer<typeof agentFrame>;

/** Hub to agent. */
export const hubFrame = z.discriminatedUnion('type', [
  /** Sent once after `hello`, after every key of the region was sent. */
  z.object({
    type: z.literal('welcome'),
    hub: z.string().max(128),
    /** The hub's own address in swarms, so that an agent can tell what came from it. */
    swarm: swarmPeer.optional(),
  }),
  z.object({ type: z.literal('key'), key: versionKey }),
  z.object({ type: z.literal('reportsAccepted'), upToSequence: z.number().int().positive() }),
  /** Whom to fetch from; replaces what an earlier frame for the same swarm said. */
  z.object({
    type: z.literal('peers'),
    infoHash: infoHashHex,
    peers: z.array(handedPeer).max(200),
    slice: rackSlice.optional(),
    /** How often to announce from now on, in milliseconds; every 2 s without. */
    announceEveryMs: z.number().int().min(1_000).max(600_000).optional(),
  }),
  /** The hub will not talk to this agent; the connection ends. */
  z.object({ type: z.literal('refused'), reason: z.string().max(1_000) }),
]);
export type HubFrame = z.infer<typeof hubFrame>;

/** Hub to control, about twice a second while there is something to say (`hubs.report`). */
export const hubReport = z.object({
  hub: z.string().min(1).max(128),
  region: regionName,
  /** Machines that connected, left or are still there since the last report. */
  machines: z
    .array(
      z.object({
        machine: machineId,
        labels: z.record(z.string(), z.string()),
        agentVersion: z.string().max(64),
        address: z.string().max(300),
        connected: z.boolean(),
      }),
    )
    .max(5_000),
  reports: z.array(machineReport.extend({ machine: machineId })).max(5_000),
  progress: z.array(fetchProgress.extend({ machine: machineId })).max(5_000),
  /** What moves in its region, a view for each deployment; each takes the place of the one before it. */
  swarms: z.array(swarmView).max(mostViews).optional(),
});
export type HubReport = z.infer<typeof hubReport>;
