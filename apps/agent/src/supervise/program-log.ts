import { copyFile, type FileHandle, open, rename, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '@starling/host/disk-error.ts';
import { makeFolder } from '@starling/host/durable-file.ts';
import type { Clock } from '@starling/shared/clock.ts';

const rotateAtBytes = 10 * 1024 * 1024;
const lookEveryMs = 10_000;
const tailBytes = 16 * 1024;
export const tailLines = 20;

/** The file that a project's program (or its hooks) writes to itself, so that the output survives the agent. */
export class ProgramLog {
  readonly #folder: string;
  readonly path: string;

  constructor(projectFolder: string, name = 'program') {
    this.#folder = join(projectFolder, 'logs');
    this.path = join(this.#folder, `${name}.log`);
  }

  /** Opens the log for one run; over 10 MiB it becomes `<name>.log.1` first. `start` is where the run's lines begin. */
  async openForRun(): Promise<{ file: FileHandle; start: number }> {
    await makeFolder(this.#folder);
    let file = await open(this.path, 'a', 0o644);
    let { size } = await file.stat();
    if (size > rotateAtBytes) {
      await file.close();
      await rename(this.path, `${this.path}.1`);
      file = await open(this.path, 'a', 0o644);
      size = 0;
    }
    return { file, start: size };
  }

  /**
   * Looks every 10 s whether the program that writes has made it too large. Its end of the file cannot be exchanged, so
   * what is there is copied to `<name>.log.1` and cut off; lines written between the two are lost.
   */
  async keepSmall(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal);
      if (!signal.aborted) await this.cutIfLarge();
    }
  }

  async cutIfLarge(): Promise<boolean> {
    const size = (await stat(this.path).catch(() => undefined))?.size ?? 0;
    if (size <= rotateAtBytes) return false;
    await copyFile(this.path, `${this.path}.1`);
    await truncate(this.path, 0);
    return true;
  }

  /** The last lines (20 at most, of the last 16 KiB) of the run that began at `start`; empty when it said nothing. */
  async tail(start: number): Promise<string> {
    let file: FileHandle;
    try {
      file = await open(this.path, 'r');
    } catch (thrown) {
      if (isMissing(thrown)) return '';
      throw thrown;
    }
    try {
      const { size } = await file.stat();
      const from = Math.max(start > size ? 0 : start, size - tailBytes);
      const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.max(0, size - from)), 0, size - from, from);
      // Colours and other control characters do not belong in a report.
      const text = buffer
        .toString('utf8', 0, bytesRead)
        .replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '')
        .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '');
      return text.trimEnd().split('\n').slice(-tailLines).join('\n').slice(-3_000);
    } finally {
      await file.close();
    }
  }
}
