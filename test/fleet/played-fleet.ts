import type { Database } from '@starling/server/db/connect.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import { systemClock } from '@starling/shared/clock.ts';
import type { HubReport } from '@starling/shared/hub-protocol.ts';
import { targetFor, type VersionKey } from '@starling/shared/version-key.ts';

export interface PlayedMachine {
  id: string;
  region: string;
  labels: Record<string, string>;
}

/** A fleet without machines: each does at once what the key of its region tells it, and what it was told is written down. */
export interface PlayedFleet {
  /** What each machine runs, in their order; null for nothing. */
  running(): (string | null)[];
  /** The machines that were ever told to run a build, by name. */
  told(build: string): string[];
  /** By build, the machines that it is never healthy on. */
  sick: Map<string, (machine: PlayedMachine) => boolean>;
  /** The machines that look at no key and say nothing. */
  silent: Set<string>;
  stop(): Promise<void>;
}

export interface PlayedFleetOptions {
  database: Database;
  project: string;
  machines: readonly PlayedMachine[];
  keyOf: (region: string) => Promise<VersionKey | undefined>;
}

export async function startPlayedFleet({
  database,
  project,
  machines,
  keyOf,
}: PlayedFleetOptions): Promise<PlayedFleet> {
  const runs = new Map<string, string>();
  const heard = new Map<string, number>();
  const told = new Map<string, Set<string>>();
  const sick: PlayedFleet['sick'] = new Map();
  const silent = new Set<string>();
  const byRegion = Map.groupBy(machines, ({ region }) => region);
  let sequence = 0;

  function obey(machine: PlayedMachine, key: VersionKey): HubReport['reports'] {
    const target = targetFor(key, machine.id, machine.labels);
    // Whoever was told to run something once is told so for ever.
    if (target === null && heard.has(machine.id)) throw new Error(`${machine.id} is told to run nothing any more`);
    if (target === null || heard.get(machine.id) === target.deployment) return [];
    const { build, deployment } = target;
    heard.set(machine.id, deployment);
    told.set(build, (told.get(build) ?? new Set()).add(machine.id));
    const isSick = sick.get(build)?.(machine) === true;
    if (!isSick) runs.set(machine.id, build);
    sequence += 1;
    return [
      {
        machine: machine.id,
        sequence,
        at: 0,
        project,
        step: isSick ? 'FAILED' : 'COMMITTED',
        observedBuild: runs.get(machine.id) ?? null,
        desiredBuild: build,
        deployment,
        detail: isSick ? 'GET / answered 500' : '',
      },
    ];
  }

  const report = (region: string, introduced: readonly PlayedMachine[], reports: HubReport['reports']) =>
    foldHubReport(database, {
      hub: `hub-${region}`,
      region,
      machines: introduced.map(({ id, labels }) => ({
        machine: id,
        labels,
        agentVersion: '1',
        address: '127.0.0.1:1',
        connected: true,
      })),
      reports,
      progress: [],
    });

  for (const [region, ofRegion] of byRegion) await report(region, ofRegion, []);
  let isOver = false;
  const living = (async () => {
    while (!isOver) {
      for (const [region, ofRegion] of byRegion) {
        const key = await keyOf(region);
        const reports = key
          ? ofRegion.filter(({ id }) => !silent.has(id)).flatMap((machine) => obey(machine, key))
          : [];
        if (reports.length > 0) await report(region, [], reports);
      }
      await systemClock.sleep(10);
    }
  })();
  // Said where it is waited for.
  living.catch(() => {});
  return {
    running: () => machines.map(({ id }) => runs.get(id) ?? null),
    told: (build) => [...(told.get(build) ?? [])].toSorted(),
    sick,
    silent,
    stop: async () => {
      isOver = true;
      await living;
    },
  };
}
