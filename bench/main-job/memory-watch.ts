import { readFile } from 'node:fs/promises';
import type { LocalStarling } from '@starling/local/starling.ts';

/** Notes the peak memory of every process while it runs; the kernel keeps the peak, we only read it in time. */
export class MemoryWatch {
  readonly #peaks: Record<string, number> = {};
  readonly #look: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;

  constructor(starling: LocalStarling) {
    this.#look = async () => {
      for (const [name, child] of starling.children) {
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
        const kilobytes = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
        this.#peaks[name] = Math.max(this.#peaks[name] ?? 0, Math.round(kilobytes / 1024));
      }
    };
    this.#timer = setInterval(this.#look, 1_000);
  }

  /** The peaks so far, in MB. */
  async peaks(): Promise<Record<string, number>> {
    await this.#look();
    return { ...this.#peaks };
  }

  stop(): Record<string, number> {
    clearInterval(this.#timer);
    return this.#peaks;
  }
}
