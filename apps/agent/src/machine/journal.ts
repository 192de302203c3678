import { rename } from 'node:fs/promises';
import { readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import type { MachineStep } from '@starling/shared/words.ts';
import { initialSituation, type Situation, situation } from './situation.ts';

/** Told of each write, before and after it: tests kill the agent there. */
export type JournalWatch = (moment: 'before' | 'after', state: MachineStep) => void | Promise<void>;

/** The situation of one project on disk: replaced whole before the work of a state begins. */
export class Journal {
  readonly #path: string;
  readonly #watch: JournalWatch | undefined;

  constructor(path: string, watch?: JournalWatch) {
    this.#path = path;
    this.#watch = watch;
  }

  /**
   * What was written last; the initial situation when there is nothing. A journal that cannot be read is moved
   * aside to `.unreadable` and begun anew, because the next key says all that is needed to go on.
   */
  async read(project: string): Promise<{ situation: Situation; unreadable: boolean }> {
    const text = await readIfThere(this.#path);
    if (text === undefined) return { situation: initialSituation(project), unreadable: false };
    const parsed = situation.safeParse(parseJson(text));
    if (parsed.success && parsed.data.project === project) return { situation: parsed.data, unreadable: false };
    await rename(this.#path, `${this.#path}.unreadable`);
    return { situation: initialSituation(project), unreadable: true };
  }

  async write(next: Situation): Promise<void> {
    await this.#watch?.('before', next.state);
    await writeDurably(this.#path, `${JSON.stringify(next)}\n`);
    await this.#watch?.('after', next.state);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
