import { Dialog } from '@base-ui/react/dialog';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Command } from 'cmdk';
import {
  CircleSlash,
  FolderGit2,
  Hammer,
  History,
  Keyboard,
  LogOut,
  type LucideIcon,
  Moon,
  OctagonX,
  Plus,
  Rocket,
  Search,
  ServerCog,
  Sun,
} from 'lucide-react';
import { type ReactNode, useRef } from 'react';
import { Kbd } from '../components/kbd.tsx';
import { api } from '../lib/api.ts';
import { plural, shortBuild } from '../lib/format.ts';
import { useCaller, useWhyReadOnly } from '../lib/hooks.ts';
import { platform } from '../lib/platform.ts';
import { signOut } from '../lib/sign-in.ts';
import { useUi } from '../lib/ui-state.ts';
import { mainPages, pagesFor, systemPages } from './pages.ts';

/** Everything the console can show or do, by name. */
export function Palette() {
  const navigate = useNavigate();
  const { setOverlay, open, setTheme, project: current } = useUi();
  const readOnly = useWhyReadOnly();
  const { data: caller } = useCaller();
  const input = useRef<HTMLInputElement>(null);
  const { data: overview } = useQuery(api.overview.get.queryOptions());
  const { data: builds } = useQuery(api.builds.list.queryOptions({ limit: 30 }));
  const { data: deployments } = useQuery(api.deployments.list.queryOptions({ limit: 15 }));
  const close = () => setOverlay(null);
  const run = (action: () => void) => () => {
    close();
    action();
  };
  // The project of the page comes first: that is what a person is looking at.
  const projects = [...(overview?.projects ?? [])].sort(
    (a, b) => Number(b.name === current) - Number(a.name === current),
  );
  const newestOf = (name: string) => builds?.find((build) => build.project === name);
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && close()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-(--backdrop)" />
        <Dialog.Popup
          initialFocus={input}
          className="appear fixed top-[12vh] left-1/2 z-50 w-[calc(100vw-3rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-raised shadow-high outline-none"
        >
          <Dialog.Title className="sr-only">Search and act</Dialog.Title>
          <Command label="Search and act" loop>
            <div className="flex items-center gap-2.5 border-b border-line px-4">
              <Search aria-hidden className="size-4 text-ink-3" />
              <Command.Input
                ref={input}
                placeholder="Go to a page, a project, a build; or do something"
                className="h-11 min-w-0 flex-1 bg-transparent text-sm outline-none"
              />
              <Kbd keys="Esc" />
            </div>
            <Command.List label="Pages, things and actions" className="max-h-[52vh] overflow-y-auto p-1.5">
              <Command.Empty className="px-3 py-6 text-center text-ink-2">Nothing has this name.</Command.Empty>
              {readOnly === null && projects.length > 0 && (
                <Group heading="Do">
                  {projects.slice(0, 20).flatMap(({ name, lastDeployment }) => {
                    const newest = newestOf(name);
                    return [
                      <Entry
                        key={`build-${name}`}
                        icon={Hammer}
                        text={`Build a commit of ${name}`}
                        onSelect={run(() => open({ kind: 'build', project: name }))}
                      />,
                      newest?.deployable && (
                        <Entry
                          key={`deploy-${name}`}
                          icon={Rocket}
                          text={`Deploy ${name} ${shortBuild(newest.id)}`}
                          more={newest.commitSubject}
                          onSelect={run(() => open({ kind: 'deploy', project: name, buildId: newest.id }))}
                        />
                      ),
                      lastDeployment && (
                        <Entry
                          key={`rollback-${name}`}
                          icon={History}
                          text={`Roll ${name} back`}
                          onSelect={run(() => open({ kind: 'rollback', project: name }))}
                        />
                      ),
                      lastDeployment?.status === 'RUNNING' && (
                        <Entry
                          key={`abort-${name}`}
                          icon={CircleSlash}
                          text={`Abort deployment ${lastDeployment.id} of ${name}`}
                          onSelect={run(() => open({ kind: 'abort', deploymentId: lastDeployment.id, project: name }))}
                        />
                      ),
                    ];
                  })}
                  {projects.slice(0, 20).map(({ name }) => (
                    <Entry
                      key={`line-${name}`}
                      icon={OctagonX}
                      text={`Stop the line of ${name}`}
                      onSelect={run(() => open({ kind: 'line', project: name, verb: 'stop' }))}
                    />
                  ))}
                  <Entry
                    icon={OctagonX}
                    text="Stop the line of all projects"
                    onSelect={run(() => open({ kind: 'line', project: null, verb: 'stop' }))}
                  />
                  <Entry icon={Plus} text="Add a project" onSelect={run(() => open({ kind: 'add-project' }))} />
                </Group>
              )}
              <Group heading="Go to">
                {[...pagesFor(mainPages, caller?.grants), ...pagesFor(systemPages, caller?.grants)].map(
                  ({ to, text, icon, key }) => (
                    <Entry
                      key={to}
                      icon={icon}
                      text={text}
                      onSelect={run(() => void navigate({ to }))}
                      keys={`g ${key}`}
                    />
                  ),
                )}
                {platform.servers && (
                  <Entry icon={ServerCog} text="Servers" onSelect={run(() => void navigate({ to: '/servers' }))} />
                )}
              </Group>
              <Group heading="Projects">
                {projects.map(({ name, regions }) => (
                  <Entry
                    key={name}
                    icon={FolderGit2}
                    text={name}
                    more={plural(
                      regions.reduce((sum, cell) => sum + cell.machines, 0),
                      'machine',
                    )}
                    onSelect={run(() => void navigate({ to: '/projects/$project', params: { project: name } }))}
                  />
                ))}
              </Group>
              <Group heading="Builds">
                {builds?.map((build) => (
                  <Entry
                    key={build.id}
                    icon={Hammer}
                    text={build.id}
                    more={build.commitSubject}
                    onSelect={run(() => void navigate({ to: '/builds/$id', params: { id: build.id } }))}
                  />
                ))}
              </Group>
              <Group heading="Deployments">
                {deployments?.map((deployment) => (
                  <Entry
                    key={deployment.id}
                    icon={Rocket}
                    text={`Deployment ${deployment.id} of ${deployment.project}`}
                    more={`${deployment.status.toLowerCase()}, ${shortBuild(deployment.buildId)}`}
                    onSelect={run(
                      () => void navigate({ to: '/deployments/$id', params: { id: String(deployment.id) } }),
                    )}
                  />
                ))}
              </Group>
              <Group heading="Console">
                <Entry icon={Sun} text="Light theme" onSelect={run(() => setTheme('light'))} />
                <Entry icon={Moon} text="Dark theme" onSelect={run(() => setTheme('dark'))} />
                <Entry icon={Keyboard} text="Keys" keys="?" onSelect={() => setOverlay('keys')} />
                <Entry icon={LogOut} text="Sign out" onSelect={run(() => void signOut())} />
              </Group>
            </Command.List>
          </Command>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Group({ heading, children }: { heading: string; children: ReactNode }) {
  return (
    <Command.Group
      heading={heading}
      className="[&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:pt-2 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-2xs [&_[cmdk-group-heading]]:font-semibold [&_[cmdk-group-heading]]:text-ink-3"
    >
      {children}
    </Command.Group>
  );
}

function Entry({
  icon: Icon,
  text,
  more,
  keys,
  onSelect,
}: {
  icon: LucideIcon;
  text: string;
  more?: string;
  keys?: string;
  onSelect: () => void;
}) {
  return (
    <Command.Item
      value={`${text} ${more ?? ''}`}
      onSelect={onSelect}
      className="flex h-8 cursor-pointer items-center gap-2.5 rounded-md px-2.5 data-[selected=true]:bg-accent-soft"
    >
      <Icon aria-hidden className="size-4 shrink-0 text-ink-3" />
      <span className="shrink-0 text-ink">{text}</span>
      {more && <span className="min-w-0 flex-1 truncate text-xs text-ink-2">{more}</span>}
      {keys && (
        <span className="ml-auto flex gap-0.5">
          {keys.split(' ').map((key) => (
            <Kbd key={key} keys={key} />
          ))}
        </span>
      )}
    </Command.Item>
  );
}
