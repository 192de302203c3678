import type { Clock } from '@starling/shared/clock.ts';
import { createWritable, Listr, ListrLogger, ProcessOutput } from 'listr2';
import { oneLine, type Terminal } from './terminal.ts';
import { marked, type SymbolName } from './wording.ts';

/** One thing that is waited for. */
export interface ProgressLine {
  /** Stays the same from update to update. */
  key: string;
  state: 'waiting' | 'busy' | 'done' | 'failed';
  text: string;
}

/** Shows on stderr how a wait goes. */
export interface Progress {
  /** What is true now; always the same lines in the same order. */
  update(lines: readonly ProgressLine[]): void;
  /** A remark between the lines, for example that the server does not answer. */
  remark(text: string): void;
  end(): Promise<void>;
}

/** Lines that move on a terminal; elsewhere one line for each change. */
export function openProgress(title: string, terminal: Terminal, clock: Clock): Progress {
  return terminal.err.isTerminal && terminal.canRedraw
    ? new LiveProgress(title, terminal)
    : new PlainProgress(title, terminal, clock);
}

const symbolOfState: Record<ProgressLine['state'], SymbolName> = {
  waiting: 'waiting',
  busy: 'busy',
  done: 'good',
  failed: 'bad',
};

/** Numbers that only grow are repeated this often at most. */
const repeatAfterMs = 5_000;

export class PlainProgress implements Progress {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #title: string;
  readonly #shown = new Map<string, { state: string; text: string; atMs: number }>();
  #begun = false;
  #lastRemark = '';

  constructor(title: string, terminal: Terminal, clock: Clock) {
    this.#title = title;
    this.#terminal = terminal;
    this.#clock = clock;
  }

  update(lines: readonly ProgressLine[]): void {
    this.#begin();
    this.#lastRemark = '';
    const nowMs = this.#clock.now();
    for (const { key, state, text } of lines) {
      const before = this.#shown.get(key);
      if (!before && state === 'waiting') continue;
      if (before?.state === state && (before.text === text || nowMs - before.atMs < repeatAfterMs)) continue;
      this.#shown.set(key, { state, text, atMs: nowMs });
      this.#write(marked(symbolOfState[state], oneLine(text), this.#ink));
    }
  }

  remark(text: string): void {
    this.#begin();
    if (text === this.#lastRemark) return;
    this.#lastRemark = text;
    this.#write(marked('warn', oneLine(text), this.#ink));
  }

  async end(): Promise<void> {}

  get #ink() {
    return { paint: this.#terminal.err.paint, unicode: this.#terminal.unicode };
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#terminal.err.write(`${this.#title}\n`);
  }

  #write(text: string): void {
    this.#terminal.err.write(`  ${text}\n`);
  }
}

interface LiveTask {
  show(line: ProgressLine): void;
  /** Leaves the line as it is when the wait ends before it does. */
  leave(): void;
}

class LiveProgress implements Progress {
  readonly #title: string;
  readonly #terminal: Terminal;
  #tasks: Map<string, LiveTask> | undefined;
  #running: Promise<unknown> | undefined;
  #remark: LiveTask | undefined;

  constructor(title: string, terminal: Terminal) {
    this.#title = title;
    this.#terminal = terminal;
  }

  update(lines: readonly ProgressLine[]): void {
    this.#tasks ??= this.#start(lines);
    for (const line of lines) {
      // Every line has listr's spinner; paleness tells what has not begun.
      const text =
        line.state === 'waiting' ? this.#terminal.err.paint('quiet', oneLine(line.text)) : oneLine(line.text);
      this.#tasks.get(line.key)?.show({ ...line, text });
    }
    this.#remark?.show({ key: '', state: 'busy', text: this.#title });
  }

  remark(text: string): void {
    this.#tasks ??= this.#start([]);
    this.#remark?.show({ key: '', state: 'busy', text: `${this.#title} – ${oneLine(text)}` });
  }

  async end(): Promise<void> {
    for (const task of this.#tasks?.values() ?? []) task.leave();
    this.#remark?.leave();
    await this.#running;
  }

  #start(lines: readonly ProgressLine[]): Map<string, LiveTask> {
    const tasks = new Map<string, LiveTask>();
    const title = liveTask(this.#title);
    const children = lines.map((line) => {
      const child = liveTask(oneLine(line.text));
      tasks.set(line.key, child.task);
      return child.definition;
    });
    this.#remark = title.task;
    const logger = new ListrLogger<never>({
      useIcons: true,
      // Only stderr is drawn on; stdout is for data and is not listr's to hold back.
      processOutput: new ProcessOutput(process.stderr, createWritable(() => {}) as unknown as NodeJS.WriteStream),
    });
    this.#running = new Listr(
      [
        {
          title: this.#title,
          task: (_context, task) => {
            title.attach(task);
            return task.newListr(children, { concurrent: true, exitOnError: false });
          },
        },
      ],
      {
        concurrent: true,
        exitOnError: false,
        registerSignalListeners: false,
        forceTTY: true,
        forceUnicode: this.#terminal.unicode,
        rendererOptions: { collapseSubtasks: false, collapseErrors: false, formatOutput: 'truncate', logger },
      },
    )
      .run()
      .catch(() => {});
    return tasks;
  }
}

interface LineOfListr {
  title: string;
  skip(message: string): void;
}

/** A listr task that is told from outside what to show and when it is over. */
function liveTask(initialTitle: string) {
  const over = Promise.withResolvers<void>();
  // Nobody may have begun to wait for it when it fails.
  over.promise.catch(() => {});
  let current = initialTitle;
  let attached: LineOfListr | undefined;
  const attach = (task: LineOfListr) => {
    attached = task;
    task.title = current;
  };
  const task: LiveTask = {
    show: ({ state, text }) => {
      current = text;
      if (attached) attached.title = current;
      if (state === 'done') over.resolve();
      if (state === 'failed') over.reject(new Error(current));
    },
    leave: () => {
      // Neither a success nor a failure: it goes on, and nobody looks any more.
      attached?.skip(current);
      over.resolve();
    },
  };
  return {
    task,
    attach,
    definition: {
      title: initialTitle,
      task: (_context: unknown, handle: LineOfListr) => {
        attach(handle);
        return over.promise;
      },
    },
  };
}
