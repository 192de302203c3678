import { type FileHandle, open } from 'node:fs/promises';
import { readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { type MachineReport, machineReport } from '@starling/shared/hub-protocol.ts';

export type ReportContent = Omit<MachineReport, 'sequence' | 'at'>;

// The file: a first line `{"next": n}` (the sequence of the next report when there is none below), then one line a
// report. Lines are only added; the file is written anew when enough of it was accepted.

const maxReports = 10_000;
const compactAfterLines = 1_000;

/**
 * Reports that control does not have yet. Their numbers grow over restarts and are never given twice: a report is
 * offered for sending only after it is safely on disk. Many that come together share one sync.
 */
export class Outbox {
  readonly #path: string;
  readonly #clock: Clock;
  #file: FileHandle;
  #reports: MachineReport[];
  #next: number;
  #durable: number;
  #unwritten: string[] = [];
  #writing: Promise<void> | undefined;
  #lines: number;
  #listener: () => void = () => undefined;
  #failed: unknown;

  private constructor(path: string, clock: Clock, file: FileHandle, reports: MachineReport[], next: number) {
    this.#path = path;
    this.#clock = clock;
    this.#file = file;
    this.#reports = reports;
    this.#next = next;
    this.#durable = next - 1;
    this.#lines = reports.length;
  }

  /** Opens the outbox at a path; a line that a kill cut short is dropped. */
  static async open(path: string, clock: Clock): Promise<Outbox> {
    const reports: MachineReport[] = [];
    // A machine that lost its disk must not begin below the numbers that control knows of it already.
    let next = Math.max(1, Math.floor(clock.now()));
    for (const line of ((await readIfThere(path)) ?? '').split('\n')) {
      const value = parseJson(line) as { next?: unknown } | undefined;
      if (typeof value?.next === 'number') next = value.next;
      const report = machineReport.safeParse(value);
      if (!report.success) continue;
      reports.push(report.data);
      next = Math.max(next, report.data.sequence + 1);
    }
    // Written anew rather than added to, because the last line may have no end.
    await writeDurably(path, textOf(next, reports));
    return new Outbox(path, clock, await open(path, 'a'), reports, next);
  }

  /** Called whenever there is something new to send. */
  onReady(listener: () => void): void {
    this.#listener = listener;
  }

  /** Numbers a report and writes it soon; it waits in memory until then. */
  append(content: ReportContent): MachineReport {
    const report: MachineReport = { sequence: this.#next, at: this.#clock.now(), ...content };
    this.#next += 1;
    this.#reports.push(report);
    if (this.#reports.length > maxReports) this.#dropSuperseded();
    this.#unwritten.push(`${JSON.stringify(report)}\n`);
    this.#writing ??= this.#write();
    return report;
  }

  /** The reports numbered above `sequence` that are safely on disk, lowest first, at most `limit`. */
  after(sequence: number, limit: number): MachineReport[] {
    return this.#reports
      .filter((report) => report.sequence > sequence && report.sequence <= this.#durable)
      .slice(0, limit);
  }

  /** The latest report of a project that control does not have yet. */
  latestOf(project: string): MachineReport | undefined {
    return this.#reports.findLast((report) => report.project === project);
  }

  get size(): number {
    return this.#reports.length;
  }

  /** Control has everything up to this number. */
  accept(upToSequence: number): void {
    const before = this.#reports.length;
    this.#reports = this.#reports.filter((report) => report.sequence > upToSequence);
    if (this.#reports.length < before) this.#writing ??= this.#write();
  }

  /** Resolves when everything appended so far is on disk. Rejects when the disk refused. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
    if (this.#failed) throw this.#failed;
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  async #write(): Promise<void> {
    // One turn of the event loop gathers what belongs together.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      do {
        const count = this.#unwritten.length;
        const upTo = this.#next - 1;
        if (count > 0) {
          // A write that failed half-way may have left a line without its end.
          await this.#file.appendFile((this.#failed ? '\n' : '') + this.#unwritten.join(''));
          await this.#file.datasync();
          this.#failed = undefined;
          this.#unwritten.splice(0, count);
          this.#lines += count;
          this.#durable = upTo;
          this.#listener();
        }
        if (this.#lines - this.#reports.length >= compactAfterLines || (this.#lines > 0 && this.#reports.length === 0))
          await this.#compact();
      } while (this.#unwritten.length > 0);
    } catch (thrown) {
      // The lines stay, and go with the next report; until then nothing of them is sent.
      this.#failed = thrown;
    } finally {
      this.#writing = undefined;
    }
  }

  async #compact(): Promise<void> {
    const kept = this.#reports.filter((report) => report.sequence <= this.#durable);
    await writeDurably(this.#path, textOf(this.#durable + 1, kept));
    await this.#file.close();
    this.#file = await open(this.#path, 'a');
    this.#lines = kept.length;
  }

  /** Makes room: the oldest go first, and the latest of a project only when there are too many projects. */
  #dropSuperseded(): void {
    const latest = new Map(this.#reports.map(({ project, sequence }) => [project, sequence]));
    let tooMany = this.#reports.length - Math.floor(maxReports * 0.9);
    this.#reports = this.#reports.filter((report) => {
      if (tooMany <= 0 || latest.get(report.project) === report.sequence) return true;
      tooMany -= 1;
      return false;
    });
    if (this.#reports.length > maxReports) this.#reports.splice(0, this.#reports.length - maxReports);
  }
}

function textOf(next: number, reports: readonly MachineReport[]): string {
  return `${[JSON.stringify({ next }), ...reports.map((report) => JSON.stringify(report))].join('\n')}\n`;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
