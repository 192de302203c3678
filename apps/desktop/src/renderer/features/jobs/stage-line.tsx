import { jobStages } from '@starling/shared/words.ts';
import { Check, LoaderCircle, X } from 'lucide-react';
import { stageTimes } from '../../components/stage-times.tsx';
import { stageWord } from '../../components/status.tsx';
import type { JobWithStages } from '../../lib/api.ts';
import { formatDuration } from '../../lib/format.ts';
import { useNow } from '../../lib/hooks.ts';

/** The four stages of a job in order: done, under way, failed, or still to come. */
export function StageLine({ job }: { job: JobWithStages }) {
  const now = useNow();
  const times = stageTimes(job, now);
  return (
    <ol className="panel grid shrink-0 grid-cols-4 divide-x divide-line overflow-hidden">
      {jobStages.map((stage) => {
        const time = times.find((candidate) => candidate.stage === stage);
        const failedHere = job.status === 'FAILED' && job.stage === stage;
        const isOver = job.finishedAt !== null;
        const state = failedHere
          ? 'failed'
          : time?.running
            ? 'under way'
            : time
              ? 'done'
              : isOver
                ? 'not reached'
                : 'to come';
        return (
          <li key={stage} className={`flex items-center gap-2.5 px-4 py-2 ${time ? '' : 'text-ink-3'}`}>
            <span
              className={`flex size-5 shrink-0 items-center justify-center rounded-full border ${
                failedHere
                  ? 'border-bad-bar bg-bad-soft text-bad'
                  : time?.running
                    ? 'border-busy-bar bg-busy-soft text-busy'
                    : time
                      ? 'border-ok-bar bg-ok-soft text-ok'
                      : 'border-line-strong'
              }`}
            >
              {failedHere ? (
                <X aria-hidden className="size-3" />
              ) : time?.running ? (
                <LoaderCircle aria-hidden className="spin size-3" />
              ) : time ? (
                <Check aria-hidden className="size-3" />
              ) : null}
            </span>
            <span className="min-w-0">
              <span className="block font-medium capitalize">{stageWord(stage)}</span>
              <span className="block text-xs text-ink-3">
                {time ? formatDuration(time.milliseconds) : state}
                {time && state !== 'done' ? `, ${state}` : ''}
              </span>
            </span>
          </li>
        );
      })}
    </ol>
  );
}
