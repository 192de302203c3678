import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '@starling/host/disk-error.ts';
import { makeFolder, readIfThere, syncFolder } from '@starling/host/durable-file.ts';
import { startedWith, startOf } from '@starling/host/process-mark.ts';
import { confinement, ownUser } from './confinement.ts';
import { exitOf } from './program.ts';
import type { StartedProcess, Starter, StartOrder } from './starter.ts';

// Between starting a process and writing down its pid an agent can be killed, and the process would run on unknown.
// So the process writes its own pid first and then looks whether it may still go: a restarted agent takes the
// permission away before it looks for the pid. Either the agent finds the pid, or the process finds that it may not.
const launcher = 'echo $$ > "$1.pid.tmp" && mv "$1.pid.tmp" "$1.pid" && [ -e "$1.go" ] && ';
const launchVariable = 'STARLING_LAUNCH';

export interface Launch {
  command: string;
  /** What the shell does last, with the command in `$2`: see `confinement`. */
  become: string;
  folder: string;
  environment: Record<string, string>;
  logFd: number;
}

/** A shell of the agent's own as the starter of programs. */
export class ShellStarter implements Starter {
  readonly holdsLimits = false;
  readonly #launches: Launches;

  constructor(projectFolder: string) {
    this.#launches = new Launches(projectFolder);
  }

  permit(): Promise<string> {
    return this.#launches.permit();
  }

  async start(name: string, { run, command, folder, environment, logFd }: StartOrder) {
    const become = confinement(run, ownUser());
    const child = await this.#launches.start(name, { command, become, folder, environment, logFd });
    const pid = child.pid as number;
    return { pid, identity: startOf(pid) ?? 'gone', untilExit: exitOf(child) };
  }

  recover(name: string): Promise<StartedProcess | undefined> {
    return this.#launches.recover(name);
  }
}

/** The launches of one project: at most one at a time. */
export class Launches {
  readonly #folder: string;

  constructor(projectFolder: string) {
    this.#folder = join(projectFolder, 'run');
  }

  /** Gives permission for one launch; its name is to be written down before `start`. */
  async permit(): Promise<string> {
    await rm(this.#folder, { recursive: true, force: true });
    await makeFolder(this.#folder);
    const name = randomBytes(8).toString('hex');
    await writeFile(join(this.#folder, `${name}.go`), '');
    return name;
  }

  /** Starts the command with `sh -c`, confined, in a session and process group of its own. Rejects when it cannot be started. */
  start(name: string, { command, become, folder, environment, logFd }: Launch): Promise<ChildProcess> {
    return new Promise((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', launcher + become, 'starling-launch', join(this.#folder, name), command], {
        cwd: folder,
        env: { ...environment, [launchVariable]: name },
        detached: true,
        stdio: ['ignore', logFd, logFd],
      });
      child.once('error', reject);
      child.once('spawn', () => resolve(child));
      child.unref();
    });
  }

  /**
   * After a kill in the middle of a launch: makes sure that it can no longer go on unseen, and finds the process if
   * it has gone already.
   */
  async recover(name: string): Promise<{ pid: number; identity: string } | undefined> {
    await rm(join(this.#folder, `${name}.go`), { force: true });
    await syncFolder(this.#folder).catch((thrown) => {
      if (!isMissing(thrown)) throw thrown;
    });
    const pid = Number(await readIfThere(join(this.#folder, `${name}.pid`)));
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    const identity = startOf(pid);
    return identity !== undefined && startedWith(pid, launchVariable, name) !== false ? { pid, identity } : undefined;
  }
}
