import type { Clock } from '@starling/shared/clock.ts';
import type { FetchProgress } from '@starling/shared/hub-protocol.ts';
import type { RunSpec } from '@starling/shared/manifest.ts';
import type { Target } from '@starling/shared/version-key.ts';
import type { Logger } from 'pino';
import type { FreeBytes } from '../fetch/disk-space.ts';
import type { HubBytes } from '../fetch/hub-bytes.ts';
import type { PackSwarms } from '../fetch/pack-swarms.ts';
import type { PreparedUpdate } from '../fetch/update.ts';
import type { MachineEvent } from '../machine/events.ts';
import type { Desired, Situation } from '../machine/situation.ts';
import type { ProjectLayout } from '../slots/layout.ts';
import type { SlotStore } from '../slots/slot-store.ts';
import { confinement, ownUser } from '../supervise/confinement.ts';
import type { HookHost } from '../supervise/hook-host.ts';
import type { Program } from '../supervise/program.ts';
import type { ProgramHost } from '../supervise/program-host.ts';

/** What the work of a state may use. */
export interface StepContext {
  project: string;
  /** The agent's data folder, whose disk has to have room. */
  dataFolder: string;
  keepSlots: number;
  /** What slots and packs of all projects may take together, in bytes; 0 is no limit. */
  keepBytes: number;
  /** How often the current slot is compared with its manifest; 0 means never. */
  driftEveryMs: number;
  /** Where the project's things lie. */
  place: ProjectLayout;
  slots: SlotStore;
  hooks: HookHost;
  programs: ProgramHost;
  packs: PackSwarms;
  clock: Clock;
  log: Logger;
  freeBytes: FreeBytes;
  /** Manifests and small parts of packs, unchecked; waits for the hub as long as it takes. */
  hub: Pick<HubBytes, 'manifest' | 'ancestor' | 'knowsPack' | 'ranges'>;
  /** As much of a pack as this comes straight from the hub, more from the swarm. */
  smallFetchBytes: number;
  /** A tree of this project that was here before Starling: a base for the first install. */
  baseCopy: string | undefined;
  /** What FETCHING fetched, for VERIFYING; after a restart it is fetched, and mostly found, again. */
  prepared: { manifestDigest: string; update: PreparedUpdate } | undefined;
  /** Deletes the packs that no project's slots need. */
  prunePacks: () => Promise<void>;
  /** What the newest key tells, which a step that must come to an end only looks at; the signal says when it changes. */
  newest: () => { desired: Desired | null; changed: AbortSignal };
  /** Reports what the step waits for or met, without leaving it. */
  note: (detail: string) => void;
  progress: (progress: Omit<FetchProgress, 'project'>) => void;
}

/**
 * The work of one state. It may be done again from its beginning after a kill, so it looks at what is there before
 * it acts. It ends with the event that leads on, or with undefined where the state only rests. What it throws becomes
 * STEP_FAILED; Aborted says that the machine has turned to something else.
 */
export type Step = (
  context: StepContext,
  situation: Situation,
  signal: AbortSignal,
) => Promise<MachineEvent | undefined>;

/** The target that is worked on; a situation without one in such a state is a defect. */
export function attemptOf({ state, attempt }: Situation): Target {
  if (!attempt) throw new Error(`nothing is attempted in ${state}`);
  const { build, manifestDigest, deployment } = attempt;
  return { build, manifestDigest, deployment };
}

export const defaultGraceMs = 10_000;

/** How long the program that runs now may take to end, by its own build's manifest (in milliseconds). */
export async function graceOfRunning(
  { programs, slots }: StepContext,
  { attempt, current }: Situation,
): Promise<number> {
  const build = (await programs.latest())?.record.build;
  const target = [attempt, current].find((candidate) => candidate?.build === build);
  return (target && (await slots.manifest(target)))?.run.stopGraceMs ?? defaultGraceMs;
}

/** Where and how a build's health is probed. */
export function probeTargetOf(context: StepContext, target: Target, run: RunSpec, program: Program | undefined) {
  const port = program ? program.record.port : typeof run.port === 'number' ? run.port : null;
  return {
    check: run.health,
    port,
    folder: context.slots.folder(target),
    environment: context.programs.environment(target.build, run, port),
    become: confinement({ user: run.user }, ownUser()),
  };
}
