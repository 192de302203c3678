import { useQuery } from '@tanstack/react-query';
import { Hammer, History, OctagonX, Redo2 } from 'lucide-react';
import { useEffect } from 'react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { DeployButton } from '../../components/deploy-button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Kbd } from '../../components/kbd.tsx';
import { Loading, Page, Panel } from '../../components/page.tsx';
import { Tag } from '../../components/status.tsx';
import { ViewTabs } from '../../components/view-tabs.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { shortBuild } from '../../lib/format.ts';
import { useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import type { ProjectSearch } from '../../lib/search.ts';
import { useUi } from '../../lib/ui-state.ts';
import { DeploymentsTab } from './deployments-tab.tsx';
import { MachinesTab } from './machines-tab.tsx';
import { NowPanel } from './now-panel.tsx';
import { VersionsTab } from './versions-tab.tsx';

/** One project: what it runs now, its versions, its deployments, its machines. */
export function ProjectPage({
  name,
  search,
  onSearch,
}: {
  name: string;
  search: ProjectSearch;
  onSearch: (search: ProjectSearch) => void;
}) {
  useTitle(name);
  const open = useUi((ui) => ui.open);
  const setProject = useUi((ui) => ui.setProject);
  useEffect(() => {
    setProject(name);
    return () => setProject(null);
  }, [name, setProject]);
  const readOnly = useWhyReadOnly();
  const overview = useQuery(api.overview.get.queryOptions());
  const versions = useQuery(api.builds.versions.queryOptions({ project: name }));
  const project = overview.data?.projects.find((candidate) => candidate.name === name);
  const newest = versions.data?.[0];
  const tab = search.tab ?? 'versions';
  const error = errorToShow(overview) ?? errorToShow(versions);
  const line = useQuery(api.line.list.queryOptions());
  const isStopped = line.data?.some((stop) => stop.project === name) ?? false;
  const hasOthers = versions.data?.some((version) => !version.current && version.deployable);
  return (
    <Page
      title={name}
      beside={newest?.current && <Tag tone="accent">runs its newest build</Tag>}
      below={
        project && (
          <span className="flex min-w-0 items-center gap-1.5">
            <span className="shrink-0">
              builds <code className="font-mono text-xs">{project.defaultRef}</code> of
            </span>
            <code className="min-w-0 truncate font-mono text-xs" title={project.repositoryUrl}>
              {project.repositoryUrl}
            </code>
          </span>
        )
      }
      actions={
        <>
          {project?.lastDeployment?.kind === 'ROLLBACK' && (
            <Button
              disabledBecause={readOnly}
              onClick={() => open({ kind: 'undo-rollback', project: name })}
              icon={<Redo2 aria-hidden className="size-3.5" />}
            >
              Undo the rollback
            </Button>
          )}
          <Button
            disabledBecause={readOnly ?? (isStopped ? 'It is stopped already.' : null)}
            onClick={() => open({ kind: 'line', project: name, verb: 'stop' })}
            icon={<OctagonX aria-hidden className="size-3.5" />}
          >
            Stop the line
          </Button>
          <Button
            disabledBecause={readOnly}
            onClick={() => open({ kind: 'build', project: name })}
            icon={<Hammer aria-hidden className="size-3.5" />}
          >
            Build
          </Button>
          <Button
            disabledBecause={
              readOnly ?? (versions.data && !hasOthers ? 'There is no other version that could be deployed.' : null)
            }
            onClick={() => open({ kind: 'rollback', project: name })}
            icon={<History aria-hidden className="size-3.5" />}
          >
            Roll back <Kbd keys="r" />
          </Button>
          <DeployButton build={newest} word={newest ? `Deploy ${shortBuild(newest.id)}` : 'Deploy'} />
        </>
      }
    >
      {error && (
        <ErrorPanel
          error={error}
          title={`${name} could not be read`}
          onRetry={() => void Promise.all([overview.refetch(), versions.refetch()])}
        />
      )}
      {overview.data && !project && (
        <ErrorPanel
          error={new Error('Nobody has added a project of this name.')}
          title={`There is no project “${name}”`}
        />
      )}
      {!overview.data && !error && (
        <Panel flush>
          <Loading rows={5} label="Loading the project" />
        </Panel>
      )}
      {project && (
        <>
          <NowPanel project={project} />
          <ViewTabs
            tabs={[
              { name: 'versions', text: 'Versions and builds' },
              { name: 'deployments', text: 'Deployments' },
              { name: 'machines', text: 'Machines' },
            ]}
            value={tab}
            onChange={(next) => onSearch({ tab: next })}
          >
            {tab === 'versions' && <VersionsTab project={name} />}
            {tab === 'deployments' && <DeploymentsTab project={name} />}
            {tab === 'machines' && <MachinesTab project={project} />}
          </ViewTabs>
          <div className="max-w-md">
            <CliLine command={cli.status(name)} />
          </div>
        </>
      )}
    </Page>
  );
}
