import { readFile } from 'node:fs/promises';
import type { LocalStarling } from '@starling/local/starling.ts';

/** Notes the peak memory of every process while it runs; the kernel keeps the peak, we only read it in time. */
export class MemoryWatch {
  readonly #peaks: Record<string, number> = {};
  readonly #timer: NodeJS.Timeout;

  constructor(starling: LocalStarling) {
    const look = async () => {
      for (const [name, child] of starling.children) {
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
        const kilobytes = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
        this.#peaks[name] = Math.max(this.#peaks[name] ?? 0, Math.round(kilobytes / 1024));
      }
    };
    this.#timer = setInterval(look, 1_000);
  }

  stop(): Record<string, number> {
    clearInterval(this.#timer);
    return this.#peaks;
  }
}
