import { useEffect, useRef, useState } from 'react';
import { client } from '../../lib/api.ts';
import { useConnection } from '../../lib/connection.ts';
import { type LogLine, type LogPiece, LogText } from '../../lib/log-lines.ts';

export interface FollowedLog {
  lines: readonly LogLine[];
  /** Lines at the beginning that are no longer kept. */
  dropped: number;
  state: 'following' | 'waiting' | 'complete';
}

const drawEveryMs = 100;

/**
 * The log of a job as it is written, from its beginning. After a cut it goes on where it stopped, once the console is
 * connected again.
 */
export function useLog(jobId: number): FollowedLog {
  const text = useRef<LogText | null>(null);
  text.current ??= new LogText();
  const position = useRef({ attempt: 0, sequence: -1 });
  const [log, setLog] = useState<FollowedLog>({ lines: [], dropped: 0, state: 'following' });
  const [interruption, setInterruption] = useState(0);
  const isLive = useConnection((connection) => connection.state !== 'stale');

  // biome-ignore lint/correctness/useExhaustiveDependencies: an interruption is what makes it start again.
  useEffect(() => {
    if (!isLive || log.state === 'complete') return;
    const arrived: LogPiece[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (state: FollowedLog['state']) => {
      timer = undefined;
      text.current!.add(arrived.splice(0));
      setLog({ lines: text.current!.lines, dropped: text.current!.dropped, state });
    };
    let again: ReturnType<typeof setTimeout> | undefined;
    const interrupted = () => {
      clearTimeout(timer);
      draw('waiting');
      again = setTimeout(() => setInterruption((count) => count + 1), 2_000);
    };
    const subscription = client.jobs.followLog.subscribe(
      { id: jobId, after: position.current },
      {
        onData: (piece) => {
          position.current = { attempt: piece.attempt, sequence: piece.sequence };
          arrived.push(piece);
          timer ??= setTimeout(() => draw('following'), drawEveryMs);
        },
        onError: interrupted,
        onComplete: () => {
          clearTimeout(timer);
          draw('complete');
        },
      },
    );
    return () => {
      clearTimeout(timer);
      clearTimeout(again);
      // What has arrived is not asked for again, so it must not be lost with the subscription.
      text.current!.add(arrived.splice(0));
      subscription.unsubscribe();
    };
  }, [jobId, isLive, interruption]);

  return log;
}
