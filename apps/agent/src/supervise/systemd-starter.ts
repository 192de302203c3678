import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, writeDurably } from '@starling/host/durable-file.ts';
import { startedWith, startOf } from '@starling/host/process-mark.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { ProgramLimits } from '@starling/shared/lifecycle.ts';
import type { ProgramExit } from './program.ts';
import type { StartedProcess, Starter, StartOrder } from './starter.ts';
import { unitName, unitText } from './systemd-unit.ts';

export interface SystemdOptions {
  project: string;
  /** Where units are written; `/run/systemd/system` ones are gone after a boot, when the agent starts everything anew. */
  unitsFolder: string;
  /** The command `systemctl`, and what comes first of its arguments. */
  systemctl: readonly [string, ...string[]];
}

const launchVariable = 'STARLING_LAUNCH';
const answerTimeoutMs = 30_000;

/** Runs the program of a project as a unit of systemd. Needs the rights to write units and to start them: root. */
export class SystemdStarter implements Starter {
  readonly holdsLimits = true;
  readonly #options: SystemdOptions;
  readonly #unit: string;

  constructor(options: SystemdOptions) {
    this.#options = options;
    this.#unit = unitName(options.project);
  }

  async permit(): Promise<string> {
    // What an earlier launch left must be over before its name is given up.
    await this.#systemctl(['stop', this.#unit], answerTimeoutMs, true);
    return randomBytes(8).toString('hex');
  }

  async start(name: string, { environment, ...order }: StartOrder): Promise<StartedProcess> {
    const { project, unitsFolder } = this.#options;
    await makeFolder(unitsFolder);
    const text = unitText({ ...order, project, environment: { ...environment, [launchVariable]: name } });
    await writeDurably(join(unitsFolder, this.#unit), text);
    await this.#systemctl(['daemon-reload']);
    await this.#systemctl(['start', this.#unit]);
    const pid = await this.#mainPid();
    // One that was over before we looked has no process any more; the unit still says how it ended.
    return { pid: pid ?? 0, identity: (pid && startOf(pid)) || 'gone' };
  }

  async recover(name: string): Promise<StartedProcess | undefined> {
    const pid = await this.#mainPid().catch(() => undefined);
    const identity = pid === undefined ? undefined : startOf(pid);
    if (pid !== undefined && identity !== undefined && startedWith(pid, launchVariable, name) !== false)
      return { pid, identity };
    await this.end(0);
    return undefined;
  }

  async howItEnded(limits: ProgramLimits | undefined): Promise<ProgramExit | undefined> {
    const { ExecMainCode: code, ExecMainStatus: status, Result: result } = await this.#show();
    if (result === 'oom-kill') {
      const limit = limits?.memoryBytes;
      const most = limit === undefined ? 'than there is' : `than its limit of ${formatBytes(limit)}`;
      return { text: `was ended for using more memory ${most}` };
    }
    if (code === '1') return { text: `exited with code ${status}` };
    return code === '2' || code === '3' ? { text: `was ended by signal ${status}` } : undefined;
  }

  async end(graceMs: number): Promise<void> {
    await this.#systemctl(['stop', this.#unit], graceMs + answerTimeoutMs, true);
    await rm(join(this.#options.unitsFolder, this.#unit), { force: true });
    await this.#systemctl(['daemon-reload']);
  }

  async #mainPid(): Promise<number | undefined> {
    const pid = Number((await this.#show()).MainPID);
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  }

  async #show(): Promise<Record<string, string>> {
    const properties = 'MainPID,ExecMainCode,ExecMainStatus,Result';
    const text = await this.#systemctl(['show', this.#unit, `--property=${properties}`]);
    return Object.fromEntries(
      text
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  }

  /** `quietly`: a unit that is not known is as good as one that was stopped. Rejects with UNAVAILABLE. */
  #systemctl(words: string[], timeout = answerTimeoutMs, quietly = false): Promise<string> {
    const [command, ...first] = this.#options.systemctl;
    return new Promise((resolve, reject) => {
      execFile(command, [...first, ...words], { timeout, encoding: 'utf8' }, (error, stdout, stderr) => {
        // 5 says that there is no such unit.
        if (!error || (quietly && error.code === 5)) return resolve(stdout);
        const why = stderr.trim() || error.message;
        reject(
          new StarlingError('UNAVAILABLE', `systemctl ${words[0]} ${words[1] ?? ''}: ${why}`.trim(), {
            fix: 'With STARLING_RUNNER=systemd the agent needs systemd, and the rights of root.',
          }),
        );
      });
    });
  }
}
