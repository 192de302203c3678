import type { Api } from '../client.ts';
import { TerminalLog } from '../terminal/log-text.ts';

export interface LogPiece {
  attempt: number;
  sequence: number;
  text: string;
}

export interface LogReader {
  /** Hands over what was written since the last call. True when the job is over and all of its log was read. */
  readOn(signal?: AbortSignal): Promise<boolean>;
}

/** Reads the log of a job piece by piece; `onPiece` sees each once and in order. */
export function readLogOf(api: Api, job: number, onPiece: (piece: LogPiece) => void): LogReader {
  let after = { attempt: 0, sequence: -1 };
  return {
    readOn: async (signal) => {
      for (;;) {
        const { pieces, ended } = await api.jobs.readLog.query({ id: job, after }, signal ? { signal } : {});
        for (const piece of pieces) {
          onPiece(piece);
          after = { attempt: piece.attempt, sequence: piece.sequence };
        }
        if (ended) return true;
        if (pieces.length === 0) return false;
      }
    },
  };
}

export interface LogTarget {
  write(text: string): void;
  /** What the text is made fit for; null hands it on byte for byte. */
  fitFor: 'colour terminal' | 'plain terminal' | null;
  /** A later attempt's log follows. */
  onAttempt(attempt: number): void;
}

/** Where the pieces of a log go when a person reads them. */
export function logPrinter({ write, fitFor, onAttempt }: LogTarget): (piece: LogPiece) => void {
  const terminalLog = new TerminalLog(fitFor === 'colour terminal');
  let attempt: number | undefined;
  return (piece) => {
    if (attempt !== undefined && piece.attempt !== attempt) onAttempt(piece.attempt);
    attempt = piece.attempt;
    write(fitFor === null ? piece.text : terminalLog.push(piece.text));
  };
}
