import { Link } from '@tanstack/react-router';
import type { Build, Job } from '../lib/api.ts';
import { authorName, shortBuild } from '../lib/format.ts';
import { DeployButton } from './deploy-button.tsx';
import { Sha } from './sha.tsx';
import { StageTimes } from './stage-times.tsx';
import { JobStatusBadge, Tag } from './status.tsx';
import { Ago } from './time.tsx';

/** A job and, once it has succeeded, the build that came of it. */
export interface BuildRow {
  job: Job;
  build: Build | undefined;
}

/** Jobs and builds together: what was asked for, what came of it, and what can be done with it. */
export function BuildRows({
  rows,
  showProject,
  marks,
}: {
  rows: readonly BuildRow[];
  showProject: boolean;
  /** The builds that run now and that were last good. */
  marks?: ReadonlyMap<string, { current: boolean; lastGood: boolean }>;
}) {
  return (
    <table className="grid-table">
      <caption className="sr-only">Builds, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Commit</th>
          {showProject && <th scope="col">Project</th>}
          <th scope="col">Asked for</th>
          <th scope="col">Time</th>
          <th scope="col" className="!text-right">
            Deploy
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ job, build }) => {
          const mark = build && marks?.get(build.id);
          return (
            <tr key={job.id}>
              <td className="w-44 whitespace-nowrap">
                <Link to="/jobs/$id" params={{ id: String(job.id) }} className="link inline-block">
                  <JobStatusBadge status={job.status} stage={job.stage} />
                  <span className="sr-only">, job {job.id}</span>
                </Link>
                <span className="block text-xs text-ink-3">
                  job {job.id}
                  {job.attempts > 1 && `, attempt ${job.attempts} of ${job.maxAttempts}`}
                </span>
              </td>
              <td className="max-w-0 min-w-56" style={{ width: '40%' }}>
                <span className="flex items-center gap-2">
                  {build ? (
                    <Link
                      to="/builds/$id"
                      params={{ id: build.id }}
                      className="link truncate py-0.5 font-medium text-ink"
                      title={build.commitSubject}
                    >
                      {build.commitSubject}
                    </Link>
                  ) : (
                    <Link
                      to="/jobs/$id"
                      params={{ id: String(job.id) }}
                      className="link truncate py-0.5 text-ink-2"
                      title={job.failureReason ?? undefined}
                    >
                      {whatOf(job)}
                    </Link>
                  )}
                  {mark?.current && <Tag tone="accent">current</Tag>}
                  {mark?.lastGood && <Tag tone="ok">last good</Tag>}
                </span>
                <span className="flex items-center gap-3 text-xs text-ink-3">
                  <Sha sha={job.commitSha} {...(build ? { text: shortBuild(build.id) } : {})} />
                  {build && <span className="truncate">{authorName(build.commitAuthor)}</span>}
                </span>
              </td>
              {showProject && (
                <td className="whitespace-nowrap">
                  <Link to="/projects/$project" params={{ project: job.project }} className="link text-ink">
                    {job.project}
                  </Link>
                </td>
              )}
              <td className="text-xs text-ink-2">
                <Ago at={job.createdAt} />
                <span className="block max-w-40 truncate text-ink-3">
                  {job.requestedBy}, {job.requestedRef === job.commitSha ? 'by SHA' : job.requestedRef}
                </span>
              </td>
              <td>
                <StageTimes job={job} />
              </td>
              <td className="w-64 text-right">
                {build ? (
                  <DeployButton build={build} size="small" look="plain" brief />
                ) : (
                  <span className="text-xs text-ink-3">
                    {job.status === 'QUEUED' || job.status === 'RUNNING' ? 'not built yet' : 'nothing to deploy'}
                  </span>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** What stands for a job that has no commit subject yet. */
export function whatOf(job: Job): string {
  if (job.failureReason) return job.failureReason;
  const ref = job.requestedRef === job.commitSha ? 'this commit' : job.requestedRef;
  return job.status === 'QUEUED'
    ? `${ref} waits for a worker`
    : job.status === 'RUNNING'
      ? `${ref} is being built`
      : ref;
}

/** Each job with the build that came of it. */
export function joinBuilds(jobs: readonly Job[], builds: readonly Build[]): BuildRow[] {
  const byJob = new Map(builds.map((build) => [build.jobId, build]));
  return jobs.map((job) => ({ job, build: byJob.get(job.id) }));
}
