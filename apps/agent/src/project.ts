import { makeFolder } from '@starling/host/durable-file.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { type AgentFrame, smallFetchBytes } from '@starling/shared/hub-protocol.ts';
import type { RateLine } from '@starling/swarm/token-bucket.ts';
import type { Logger } from 'pino';
import type { AgentConfig } from './config.ts';
import type { HubAccess } from './control/hub-access.ts';
import type { FreeBytes } from './fetch/disk-space.ts';
import { HubBytes } from './fetch/hub-bytes.ts';
import { aheadHolder, type PackSwarms } from './fetch/pack-swarms.ts';
import { Prefetcher } from './fetch/prefetcher.ts';
import { Journal, type JournalWatch } from './machine/journal.ts';
import { ProjectMachine } from './machine/project-machine.ts';
import type { ReportContent } from './report/outbox.ts';
import type { DataLayout } from './slots/layout.ts';
import { SlotStore } from './slots/slot-store.ts';
import { fetchAhead } from './steps/fetch-ahead.ts';
import { graceOfRunning, type StepContext } from './steps/step.ts';
import { HookHost } from './supervise/hook-host.ts';
import { labelVariables } from './supervise/label-variables.ts';
import { ProgramHost } from './supervise/program-host.ts';
import { Supervisor } from './supervise/supervisor.ts';
import { SystemdStarter } from './supervise/systemd-starter.ts';

export interface ProjectOptions {
  config: AgentConfig;
  access: HubAccess;
  layout: DataLayout;
  packs: PackSwarms;
  clock: Clock;
  log: Logger;
  /** What the machine may receive, as far as it comes straight from the hub. */
  receiving: RateLine;
  freeBytes: FreeBytes;
  smallFetchBytes: number | undefined;
  watchJournal: JournalWatch | undefined;
  prunePacks: () => Promise<void>;
  report: (content: ReportContent) => void;
  send: (frame: AgentFrame) => void;
  onDefect: (error: unknown) => void;
  /** Whether no project of this machine has a target to reach. */
  isIdle: () => boolean;
  /** Something is being fetched ahead from now on, or no longer. */
  onAhead: (isActive: boolean) => void;
}

/** All that the agent has for one project. */
export interface Project {
  machine: ProjectMachine;
  slots: SlotStore;
  prefetcher: Prefetcher;
  /** Ends the program that runs, within its grace. */
  stopProgram: () => Promise<void>;
  /** Looks after the program that runs no more. */
  leaveProgram: () => void;
  /** Says again how far its last fetch came. */
  repeatProgress: () => void;
}

/** Puts the parts of one project together, with the situation that its journal holds. */
export async function openProject(name: string, options: ProjectOptions): Promise<Project> {
  const { access, clock, config, layout, log, packs, receiving } = options;
  const place = layout.project(name);
  await makeFolder(place.folder);
  const slots = new SlotStore(name, place, config.manifestKeys);
  const programs = new ProgramHost({
    project: name,
    projectFolder: place.folder,
    environment: {
      ...config.programEnvironment,
      ...labelVariables(config.labels),
      STARLING_MACHINE: config.machine,
      STARLING_REGION: config.region,
    },
    clock,
    ...(config.runner.type === 'systemd' && { starter: new SystemdStarter({ project: name, ...config.runner }) }),
  });
  const hooks = new HookHost(place.folder, clock);
  await hooks.endRemains();
  const note = (detail: string) => machine.note(detail);
  let lastProgress: AgentFrame | undefined;
  const context: StepContext = {
    project: name,
    dataFolder: layout.root,
    keepSlots: config.keepSlots,
    keepBytes: config.keepBytes,
    driftEveryMs: config.driftEveryMs,
    place,
    slots,
    hooks,
    programs,
    packs,
    clock,
    log,
    freeBytes: options.freeBytes,
    hub: new HubBytes({ hubUrl: config.hubUrl, access, clock, receiving, onWaiting: note }),
    smallFetchBytes: options.smallFetchBytes ?? smallFetchBytes,
    baseCopy: config.baseCopies[name],
    prepared: undefined,
    prunePacks: options.prunePacks,
    newest: () => machine.newest,
    note,
    progress: (progress) => {
      lastProgress = { type: 'progress', progress: { project: name, ...progress } };
      options.send(lastProgress);
    },
  };
  const journal = new Journal(place.journal, options.watchJournal);
  const { situation, unreadable } = await journal.read(name);
  if (unreadable) log.error('the journal could not be read; it was moved aside and begun anew');
  const machine = new ProjectMachine(situation, {
    context,
    journal,
    supervisor: new Supervisor({
      programs,
      slots,
      clock,
      log,
      note,
      onCrashLoop: (reason) => machine.crashLoops(reason),
    }),
    report: options.report,
    onDefect: options.onDefect,
  });
  const ahead = {
    ...context,
    // Nobody waits for what is fetched ahead, so there is nothing to report.
    hub: new HubBytes({ hubUrl: config.hubUrl, access, clock, receiving, onWaiting: () => undefined }),
  };
  const prefetcher = await Prefetcher.open({
    notePath: place.ahead,
    clock,
    log,
    isIdle: options.isIdle,
    current: () => machine.situation.current?.manifestDigest,
    bring: (build, onPacks, signal) => fetchAhead(ahead, build, onPacks, signal),
    release: (manifestDigest) => packs.holdOnly(aheadHolder(name, manifestDigest), []),
    prunePacks: options.prunePacks,
    onActive: options.onAhead,
  });
  return {
    machine,
    slots,
    prefetcher,
    stopProgram: async () =>
      programs.stop(await graceOfRunning(context, machine.situation), new AbortController().signal),
    leaveProgram: () => programs.leave(),
    repeatProgress: () => {
      if (lastProgress) options.send(lastProgress);
    },
  };
}
