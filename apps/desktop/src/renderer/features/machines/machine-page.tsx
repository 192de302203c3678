import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { LogExcerpt } from '../../components/log-excerpt.tsx';
import { Facts, Loading, Page, Panel } from '../../components/page.tsx';
import { OnlineBadge, StepBadge, Tag } from '../../components/status.tsx';
import { Ago, Took } from '../../components/time.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { formatBytes, shortBuild } from '../../lib/format.ts';
import { useTitle } from '../../lib/hooks.ts';

/** One machine: who it is, what it runs, and how it fared in its last deployments. */
export function MachinePage({ id }: { id: string }) {
  useTitle(id);
  const read = useQuery(api.machines.get.queryOptions({ id }));
  const { data: machine, refetch } = read;
  const error = errorToShow(read);
  return (
    <Page
      above={
        <>
          <Link to="/machines" className="link">
            machines
          </Link>
          {machine && (
            <>
              <span aria-hidden>/</span>
              <Link to="/machines" search={{ region: machine.region }} className="link font-mono">
                {machine.region}
              </Link>
            </>
          )}
        </>
      }
      title={<span className="font-mono">{id}</span>}
      beside={machine && <OnlineBadge online={machine.online} />}
      below={
        machine && (
          <>
            Heard <Ago at={machine.lastSeenAt} />, known since <Ago at={machine.firstSeenAt} />
          </>
        )
      }
    >
      {error && <ErrorPanel error={error} title={`${id} could not be read`} onRetry={() => void refetch()} />}
      {!machine && !error && (
        <Panel flush>
          <Loading rows={6} label="Loading the machine" />
        </Panel>
      )}
      {machine && (
        <>
          <Panel title="About it">
            <Facts
              facts={[
                [
                  'Region',
                  <span key="region" className="font-mono text-xs">
                    {machine.region}
                  </span>,
                ],
                [
                  'Hub',
                  <span key="hub" className="font-mono text-xs">
                    {machine.hub}
                  </span>,
                ],
                [
                  'Swarm address',
                  <span key="address" className="font-mono text-xs">
                    {machine.address}
                  </span>,
                ],
                ['Agent', machine.agentVersion],
                [
                  'Labels',
                  Object.keys(machine.labels).length === 0 ? (
                    'none'
                  ) : (
                    <span key="labels" className="flex flex-wrap gap-1">
                      {Object.entries(machine.labels).map(([key, value]) => (
                        <Tag key={key}>
                          {key}={value}
                        </Tag>
                      ))}
                    </span>
                  ),
                ],
              ]}
            />
          </Panel>
          <Panel title="What it runs" flush>
            {machine.projects.length === 0 ? (
              <p className="px-4 py-3 text-ink-2">It runs nothing of Starling yet.</p>
            ) : (
              <table className="grid-table">
                <caption className="sr-only">Projects on this machine</caption>
                <thead>
                  <tr>
                    <th scope="col">Project</th>
                    <th scope="col">Step</th>
                    <th scope="col">Runs</th>
                    <th scope="col">Must run</th>
                    <th scope="col">Since</th>
                  </tr>
                </thead>
                <tbody>
                  {machine.projects.map((project) => (
                    <tr key={project.project}>
                      <td>
                        <Link
                          to="/projects/$project"
                          params={{ project: project.project }}
                          className="link font-medium text-ink"
                        >
                          {project.project}
                        </Link>
                      </td>
                      <td className="max-w-96">
                        <StepBadge step={project.step} online={machine.online} />
                        {project.detail && <LogExcerpt text={project.detail} open={project.step === 'FAILED'} />}
                      </td>
                      <td className="font-mono text-xs">
                        {project.observedBuild ? (
                          <Link to="/builds/$id" params={{ id: project.observedBuild }} className="link text-ink">
                            {shortBuild(project.observedBuild)}
                          </Link>
                        ) : (
                          '–'
                        )}{' '}
                        {project.observedBuild !== project.desiredBuild && <Tag tone="warn">drift</Tag>}
                      </td>
                      <td className="font-mono text-xs">
                        {project.desiredBuild ? shortBuild(project.desiredBuild) : '–'}
                      </td>
                      <td className="text-xs text-ink-2">
                        <Ago at={project.updatedAt} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </Panel>
          <Panel title="Its last deployments" flush>
            {machine.recentDeployments.length === 0 ? (
              <p className="px-4 py-3 text-ink-2">None yet.</p>
            ) : (
              <table className="grid-table">
                <caption className="sr-only">Deployments on this machine, newest first</caption>
                <thead>
                  <tr>
                    <th scope="col">Deployment</th>
                    <th scope="col">Version</th>
                    <th scope="col">How it ended here</th>
                    <th scope="col">Fetched</th>
                    <th scope="col">Took</th>
                    <th scope="col">When</th>
                  </tr>
                </thead>
                <tbody>
                  {machine.recentDeployments.map((outcome) => (
                    <tr key={outcome.deployment}>
                      <td>
                        <Link
                          to="/deployments/$id"
                          params={{ id: String(outcome.deployment) }}
                          className="link text-ink"
                        >
                          {outcome.project} {outcome.deployment}
                        </Link>
                      </td>
                      <td className="font-mono text-xs">{shortBuild(outcome.buildId)}</td>
                      <td className="max-w-md">
                        <StepBadge step={outcome.step} />
                        {outcome.detail && <LogExcerpt text={outcome.detail} />}
                      </td>
                      <td className="text-xs text-ink-2">
                        {outcome.bytesTotal > 0 ? formatBytes(outcome.bytesDone) : '–'}
                      </td>
                      <td className="text-xs text-ink-2">
                        <Took from={outcome.startedAt} to={outcome.updatedAt} />
                      </td>
                      <td className="text-xs text-ink-2">
                        <Ago at={outcome.startedAt} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </Panel>
          <div className="max-w-md">
            <CliLine command={cli.machines({ find: id })} />
          </div>
        </>
      )}
    </Page>
  );
}
