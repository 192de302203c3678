import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ShieldAlert } from 'lucide-react';
import { Bar } from '../../components/bar.tsx';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { DeployButton } from '../../components/deploy-button.tsx';
import { DeploymentRows } from '../../components/deployment-rows.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Facts, Loading, Page, Panel } from '../../components/page.tsx';
import { Sha } from '../../components/sha.tsx';
import { StageTimes } from '../../components/stage-times.tsx';
import { Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { WhatChanges } from '../../components/what-changes.tsx';
import { api, type Build } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { authorName, formatBytes, plural, shortBuild } from '../../lib/format.ts';
import { useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import { useUi } from '../../lib/ui-state.ts';
import { Replication } from './replication.tsx';

/** One build: what it is, where it is, where it came from, and where it was deployed. */
export function BuildPage({ id }: { id: string }) {
  useTitle(id);
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const read = useQuery(api.builds.get.queryOptions({ id }));
  const { data: build, refetch } = read;
  const error = errorToShow(read);
  const project = build?.project ?? id.split('@')[0]!;
  const versions = useQuery(api.builds.versions.queryOptions({ project }));
  const version = versions.data?.find((candidate) => candidate.id === id);
  // What a deployment of it would change; of what runs now, what it changed.
  const others = versions.data?.filter((candidate) => candidate.id !== id) ?? [];
  const before =
    (!version?.current && others.find(({ current }) => current)) ||
    (version && others.find(({ createdAt }) => createdAt < version.createdAt));
  return (
    <Page
      above={
        <>
          <Link to="/projects/$project" params={{ project }} className="link">
            {project}
          </Link>
          <span aria-hidden>/</span>
          <Link to="/builds" search={{ project }} className="link">
            builds
          </Link>
        </>
      }
      title={build?.commitSubject ?? shortBuild(id)}
      beside={
        <>
          <Sha sha={id} text={id} what="build id" />
          {version?.current && <Tag tone="accent">current</Tag>}
          {version?.lastGood && <Tag tone="ok">last good</Tag>}
          {build?.proven && !version?.lastGood && <Tag tone="ok">ran well before</Tag>}
        </>
      }
      below={
        build && (
          <>
            {authorName(build.commitAuthor)} committed <Ago at={build.committedAt} />, built{' '}
            <Ago at={build.createdAt} />
          </>
        )
      }
      actions={<DeployButton build={build} />}
    >
      {error && <ErrorPanel error={error} title={`The build ${id} could not be read`} onRetry={() => void refetch()} />}
      {!build && !error && (
        <Panel flush>
          <Loading rows={6} label="Loading the build" />
        </Panel>
      )}
      {build && (
        <>
          {version?.quarantined && (
            <div
              role="status"
              className="flex flex-wrap items-center gap-3 rounded-lg border border-warn-bar/50 bg-warn-soft px-4 py-2.5 text-warn"
            >
              <ShieldAlert aria-hidden className="size-4 shrink-0" />
              <span className="min-w-0 flex-1">
                <span className="font-semibold">In quarantine:</span> {version.quarantined}. Nobody deploys it until
                somebody says why it may run again.
              </span>
              <Button
                size="small"
                disabledBecause={readOnly}
                onClick={() => open({ kind: 'lift-quarantine', buildId: id })}
              >
                Lift the quarantine
              </Button>
            </div>
          )}
          <Replication replicas={build.replicas} because={build.notDeployableBecause} />
          <div className="grid gap-4 xl:grid-cols-2">
            <Panel title="What it is">
              <Facts
                facts={[
                  ['Size', formatBytes(build.streamBytes)],
                  ['New with it', <NewShare key="new" build={build} />],
                  ['Files', plural(build.fileCount, 'file')],
                  ['Manifest', formatBytes(build.manifestBytes)],
                  [
                    'Manifest digest',
                    <Sha
                      key="manifest"
                      sha={build.manifestDigest}
                      text={build.manifestDigest.slice(0, 16)}
                      what="digest"
                    />,
                  ],
                  [
                    'Its own pack',
                    build.packDigest ? (
                      <Sha key="pack" sha={build.packDigest} text={build.packDigest.slice(0, 16)} what="digest" />
                    ) : (
                      'none: nothing is new'
                    ),
                  ],
                ]}
              />
            </Panel>
            <Panel title="Where it came from">
              <Facts
                facts={[
                  ['Commit', <Sha key="commit" sha={build.commitSha} />],
                  ['Asked for', `${build.job.requestedRef === build.commitSha ? 'by SHA' : build.job.requestedRef}`],
                  ['By', build.job.requestedBy],
                  [
                    'Job',
                    <Link key="job" to="/jobs/$id" params={{ id: String(build.jobId) }} className="link text-accent">
                      {build.jobId}, with its log
                    </Link>,
                  ],
                  ['Worker', build.job.worker ?? '–'],
                  ['Stages', <StageTimes key="stages" job={build.job} />],
                  [
                    'Repository',
                    <span key="repository" className="font-mono text-xs break-all">
                      {build.job.repositoryUrl}
                    </span>,
                  ],
                ]}
              />
            </Panel>
          </div>
          {before && (
            <Panel
              title={before.current ? 'What changes against what runs now' : 'What changes against the build before it'}
            >
              <WhatChanges project={build.project} from={before.id} to={build.id} />
            </Panel>
          )}
          <Panel title="Deployments of this build" flush>
            {build.deployments.length === 0 ? (
              <p className="px-4 py-3 text-ink-2">It was not deployed yet.</p>
            ) : (
              <DeploymentRows
                deployments={build.deployments.map((deployment) => ({
                  ...deployment,
                  commitSha: build.commitSha,
                  commitSubject: build.commitSubject,
                }))}
                showProject={false}
              />
            )}
          </Panel>
          <div className="max-w-xl">
            <CliLine command={cli.deploy(build.project, build.id, '', false)} label="Deploying it in a terminal" />
          </div>
        </>
      )}
    </Page>
  );
}

/** How much of it no earlier build had: only that is stored, copied and fetched. */
function NewShare({ build }: { build: Pick<Build, 'newBytes' | 'streamBytes' | 'packBytes' | 'patchBytes'> }) {
  const { newBytes, streamBytes, packBytes, patchBytes } = build;
  const percent = ((newBytes / Math.max(1, streamBytes)) * 100).toFixed(1);
  return (
    <span className="block" title={`${formatBytes(newBytes)} of ${formatBytes(streamBytes)} are new`}>
      <span className="mb-1 block">
        {percent} %, packed in {formatBytes(packBytes)}
      </span>
      <Bar
        total={streamBytes}
        label={`${percent} percent of it are new`}
        segments={[{ amount: newBytes, tone: 'busy' }]}
      />
      {patchBytes > 0 && <span className="block text-xs text-ink-3">{formatBytes(patchBytes)} of that as patches</span>}
    </span>
  );
}
