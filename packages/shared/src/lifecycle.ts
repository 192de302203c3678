import { z } from 'zod';

// What a build may do of its own on the way to a machine and away from it, and as whom its program runs.

/** The moments at which a build's own commands run, in the order of an update. */
export const lifecycleEvents = [
  /** Everything of the build is fetched; nothing is unpacked yet. Runs in the project's folder. */
  'beforeInstall',
  /** Its slot is unpacked and verified; the old build still runs. Once for each slot. */
  'afterInstall',
  /** Asked of the build that is to be stopped: take no more work, finish what there is. */
  'drain',
  /** Asked of the build that is to be stopped, just before its program is ended. */
  'applicationStop',
  /** `current` leads to the build; its program is started next. */
  'applicationStart',
  /** Its program was healthy for as long as asked; nothing is committed yet. */
  'validateService',
] as const;
export type LifecycleEvent = (typeof lifecycleEvents)[number];

export const hook = z.object({ command: z.string().min(1), timeoutMs: z.number().int().positive() });
export type Hook = z.infer<typeof hook>;

export const hooks = z.partialRecord(z.enum(lifecycleEvents), hook);
export type Hooks = z.infer<typeof hooks>;

/** A name as `useradd` takes it, so that nothing of it means anything to a shell. */
export const userName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}\$?$/, 'is not the name of a user of the system');

export const programLimits = z.object({
  /** Of memory, for the program and all that it started together. */
  memoryBytes: z.number().int().positive().optional(),
  /** Of each process. */
  openFiles: z.number().int().positive().optional(),
  /** Processes and their threads, of the program and all that it started together. */
  processes: z.number().int().positive().optional(),
});
export type ProgramLimits = z.infer<typeof programLimits>;
