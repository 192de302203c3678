import { type JobStage, jobStages } from '@starling/shared/words.ts';
import { useQuery } from '@tanstack/react-query';
import { api, type Job, type JobWithStages } from '../lib/api.ts';
import { formatDuration } from '../lib/format.ts';
import { useNow } from '../lib/hooks.ts';
import { stageWord } from './status.tsx';

export interface StageTime {
  stage: JobStage;
  milliseconds: number;
  running: boolean;
}

/** The stages of a job's last attempt with how long each took, or has taken so far. */
export function stageTimes(job: JobWithStages, now: number): StageTime[] {
  const attempt = Math.max(0, ...job.stages.map((stage) => stage.attempt));
  return jobStages.flatMap((stage) => {
    const row = job.stages.find((candidate) => candidate.stage === stage && candidate.attempt === attempt);
    if (!row) return [];
    const running = row.finishedAt === null && job.status === 'RUNNING';
    const end = row.finishedAt ? Date.parse(row.finishedAt) : job.finishedAt ? Date.parse(job.finishedAt) : now;
    return [{ stage, milliseconds: Math.max(0, end - Date.parse(row.startedAt)), running }];
  });
}

const shades = ['bg-[#7e78d8]', 'bg-[#4a90d9]', 'bg-[#2f9e8f]', 'bg-[#8a8799]'];

/** How a job's time divides among its stages: a small bar, and the total. */
export function StageTimes({ job }: { job: Job }) {
  const now = useNow();
  const isOver = job.finishedAt !== null;
  const { data } = useQuery({ ...api.jobs.get.queryOptions({ id: job.id }), enabled: job.startedAt !== null });
  if (!job.startedAt) return <span className="text-ink-3">–</span>;
  const times = data ? stageTimes(data, now) : [];
  const sum = times.reduce((total, time) => total + time.milliseconds, 0);
  const total = (isOver ? Date.parse(job.finishedAt!) : now) - Date.parse(job.startedAt);
  const words = times.map((time) => `${stageWord(time.stage)} ${formatDuration(time.milliseconds)}`).join(', ');
  return (
    <span className="flex w-28 max-w-full flex-col gap-1" title={words}>
      <span className="text-xs text-ink-2">{formatDuration(total)}</span>
      <span
        role="img"
        aria-label={words || 'no stages yet'}
        className="flex h-1 w-full gap-px overflow-hidden rounded-full bg-line"
      >
        {times.map((time) => (
          <span
            key={time.stage}
            className={`${shades[jobStages.indexOf(time.stage)]} h-full`}
            style={{ width: `${sum > 0 ? Math.max(2, (time.milliseconds / sum) * 100) : 0}%` }}
          />
        ))}
      </span>
    </span>
  );
}
