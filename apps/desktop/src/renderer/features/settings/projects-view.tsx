import { allows } from '@starling/shared/permissions.ts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { FolderGit2 } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Select } from '../../components/field.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { api } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';
import { useCaller, useWhyReadOnly } from '../../lib/hooks.ts';
import type { SettingsSearch } from '../../lib/search.ts';
import { useUi } from '../../lib/ui-state.ts';
import { ProjectForm } from './project-form.tsx';

/** The settings of one project, chosen in the address. */
export function ProjectsView({
  search,
  onSearch,
}: {
  search: SettingsSearch;
  onSearch: (search: SettingsSearch) => void;
}) {
  const { data: caller } = useCaller();
  const readOnly = useWhyReadOnly();
  const open = useUi((ui) => ui.open);
  const projects = useQuery(api.projects.list.queryOptions());
  const mine = projects.data?.filter(({ name }) => caller && allows(caller.grants, 'administer', name));
  const chosen = mine?.find(({ name }) => name === search.project) ?? mine?.[0];
  const read = useQuery({
    ...api.projects.settings.queryOptions({ project: chosen?.name ?? '' }),
    enabled: chosen !== undefined,
  });
  const error = errorToShow(projects) ?? (chosen ? errorToShow(read) : null);
  if (mine?.length === 0) {
    return (
      <Panel>
        <EmptyState
          icon={FolderGit2}
          title="There is no project yet"
          action={
            <Button look="primary" disabledBecause={readOnly} onClick={() => open({ kind: 'add-project' })}>
              Add a project
            </Button>
          }
        >
          What it has to pass before it is deployed, and in which waves, is set here then.
        </EmptyState>
      </Panel>
    );
  }
  return (
    <div className="flex flex-col gap-4">
      {error && (
        <ErrorPanel
          error={error}
          title="The settings could not be read"
          onRetry={() => void Promise.all([projects.refetch(), read.refetch()])}
        />
      )}
      {mine && chosen && (
        <div className="flex flex-wrap items-center gap-3">
          <Select
            label="Project"
            value={chosen.name}
            onChange={(project) => onSearch({ ...search, project })}
            options={mine.map(({ name }) => ({ value: name, text: name }))}
          />
          <span className="text-xs text-ink-2">
            builds <code className="font-mono">{chosen.defaultRef}</code> of{' '}
            <code className="font-mono">{chosen.repositoryUrl}</code>; how it is built and run is in its{' '}
            <code className="font-mono">starling.yml</code>
          </span>
          <Link to="/projects/$project" params={{ project: chosen.name }} className="link text-xs text-accent">
            Open the project
          </Link>
        </div>
      )}
      {!read.data && !error && (
        <Panel flush>
          <Loading rows={8} label="Loading settings" />
        </Panel>
      )}
      {chosen && read.data && <ProjectForm key={chosen.name} project={chosen.name} saved={read.data} />}
    </div>
  );
}
