import { Menu } from '@base-ui/react/menu';
import { describeGrants } from '@starling/shared/permissions.ts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import {
  Check,
  CircleCheck,
  CircleX,
  Keyboard,
  LoaderCircle,
  LogOut,
  type LucideIcon,
  Monitor,
  Moon,
  PanelLeftClose,
  PanelLeftOpen,
  Plus,
  Search,
  ServerCog,
  Sun,
  TriangleAlert,
  UserRound,
  Wifi,
  WifiOff,
} from 'lucide-react';
import { type ReactNode, useRef } from 'react';
import { IconButton } from '../components/button.tsx';
import { Kbd } from '../components/kbd.tsx';
import { Logo } from '../components/logo.tsx';
import { api } from '../lib/api.ts';
import { isMine } from '../lib/approvals.ts';
import { useConnection } from '../lib/connection.ts';
import { useCaller, useServerProfile } from '../lib/hooks.ts';
import { type Concern, concernOf, sortProjects } from '../lib/matrix.ts';
import { platform } from '../lib/platform.ts';
import { signOut } from '../lib/sign-in.ts';
import { type Theme, useUi } from '../lib/ui-state.ts';
import { mainPages, pagesFor, systemPages } from './pages.ts';

const concerns: Record<Concern, { icon: LucideIcon; ink: string; text: string; spinning?: boolean }> = {
  0: { icon: CircleCheck, ink: 'text-ok', text: 'well' },
  1: { icon: LoaderCircle, ink: 'text-busy', text: 'in progress', spinning: true },
  2: { icon: TriangleAlert, ink: 'text-warn', text: 'should be looked at' },
  3: { icon: CircleX, ink: 'text-bad', text: 'needs a person' },
};

const itemClass =
  'flex h-7 items-center gap-2.5 rounded-md px-2.5 text-ink-2 hover:bg-sunken hover:text-ink data-[status=active]:bg-accent-soft data-[status=active]:font-medium data-[status=active]:text-ink';

/** Where to go: pages, projects with their state, and who is signed in where. */
export function Sidebar() {
  const { sidebar, toggleSidebar, setOverlay, open } = useUi();
  const isWide = sidebar === 'wide';
  const { data: overview } = useQuery(api.overview.get.queryOptions());
  const { data: caller } = useCaller();
  const { data: waiting } = useQuery(api.approvals.waiting.queryOptions());
  const forMe = waiting?.filter(isMine).length ?? 0;
  return (
    <aside
      className={`flex shrink-0 flex-col border-r border-line bg-surface ${isWide ? 'w-56' : 'w-14'}`}
      aria-label="Navigation"
    >
      <div className={`flex h-14 items-center gap-2.5 ${isWide ? 'px-3.5' : 'justify-center'}`}>
        <Link to="/" aria-label="Starling, overview" className="flex items-center gap-2.5">
          <Logo className="size-7" />
          {isWide && <span className="text-base font-semibold tracking-tight text-ink">Starling</span>}
        </Link>
      </div>
      <div className="px-2">
        <button
          type="button"
          onClick={() => setOverlay('palette')}
          title="Search and act"
          className={`flex h-8 w-full items-center gap-2 rounded-md border border-line text-ink-3 hover:bg-sunken hover:text-ink ${
            isWide ? 'px-2.5' : 'justify-center'
          }`}
        >
          <Search aria-hidden className="size-3.5" />
          {isWide && (
            <>
              <span className="flex-1 text-left text-xs">Search and act</span>
              <span aria-hidden>
                <Kbd keys="mod+K" />
              </span>
            </>
          )}
          {!isWide && <span className="sr-only">Search and act</span>}
        </button>
      </div>
      <nav aria-label="Pages" className="mt-3 flex flex-col gap-px px-2">
        {pagesFor(mainPages, caller?.grants).map(({ to, text, icon }) => (
          <PageLink key={to} to={to} text={text} icon={icon} isWide={isWide} count={to === '/approvals' ? forMe : 0} />
        ))}
      </nav>
      <nav aria-label="Projects" className="mt-3 flex min-h-16 flex-1 flex-col px-2">
        {isWide && (
          <div className="flex items-center justify-between pr-0.5 pl-2.5">
            <h2 className="eyebrow">Projects</h2>
            <IconButton label="Add a project" onClick={() => open({ kind: 'add-project' })}>
              <Plus aria-hidden className="size-3.5" />
            </IconButton>
          </div>
        )}
        <div className="flex min-h-0 flex-1 flex-col gap-0.5 overflow-y-auto">
          {overview &&
            sortProjects(overview.projects).map((project) => {
              const { icon: Icon, ink, text, spinning } = concerns[concernOf(project)];
              return (
                <Link
                  key={project.name}
                  to="/projects/$project"
                  params={{ project: project.name }}
                  activeOptions={{ includeSearch: false }}
                  className={`${itemClass} shrink-0 ${isWide ? '' : 'justify-center !px-0'}`}
                  title={`${project.name}: ${text}`}
                >
                  <Icon aria-hidden className={`size-3.5 shrink-0 ${ink} ${spinning ? 'spin' : ''}`} />
                  <span className={isWide ? 'truncate' : 'sr-only'}>{project.name}</span>
                  <span className="sr-only">, {text}</span>
                </Link>
              );
            })}
        </div>
      </nav>
      <nav aria-label="About Starling" className="mt-2 flex flex-col gap-px px-2 pb-2">
        {isWide && <h2 className="eyebrow px-2.5 pb-1">Starling</h2>}
        {pagesFor(systemPages, caller?.grants).map(({ to, text, icon }) => (
          <PageLink key={to} to={to} text={text} icon={icon} isWide={isWide} />
        ))}
      </nav>
      <div className={`flex flex-col gap-1 border-t border-line p-2 ${isWide ? '' : 'items-center'}`}>
        <Connection isWide={isWide} />
        <div className={`flex ${isWide ? 'items-center' : 'flex-col'}`}>
          <AccountMenu isWide={isWide} />
          {isWide && <span className="flex-1" />}
          <IconButton label="Keys" onClick={() => setOverlay('keys')}>
            <Keyboard aria-hidden className="size-4" />
          </IconButton>
          <IconButton label={isWide ? 'Make the sidebar narrow' : 'Make the sidebar wide'} onClick={toggleSidebar}>
            {isWide ? (
              <PanelLeftClose aria-hidden className="size-4" />
            ) : (
              <PanelLeftOpen aria-hidden className="size-4" />
            )}
          </IconButton>
        </div>
      </div>
    </aside>
  );
}

function PageLink({
  to,
  text,
  icon: Icon,
  isWide,
  count = 0,
}: {
  to: (typeof mainPages)[number]['to'] | (typeof systemPages)[number]['to'];
  text: string;
  icon: LucideIcon;
  isWide: boolean;
  /** How many things on the page wait for this person. */
  count?: number;
}) {
  return (
    <Link
      to={to}
      activeOptions={{ exact: to === '/', includeSearch: false }}
      className={`relative ${itemClass} ${isWide ? '' : 'justify-center !px-0'}`}
      title={isWide ? undefined : text}
    >
      <Icon aria-hidden className="size-4 shrink-0" />
      <span className={isWide ? 'flex-1' : 'sr-only'}>{text}</span>
      {count > 0 && (
        <span
          className={`rounded-full bg-accent px-1.5 text-2xs leading-4 font-semibold text-on-accent ${
            isWide ? '' : 'absolute -top-0.5 right-0 scale-90'
          }`}
        >
          {count}
          <span className="sr-only"> {count === 1 ? 'waits' : 'wait'} for you</span>
        </span>
      )}
    </Link>
  );
}

function Connection({ isWide }: { isWide: boolean }) {
  const state = useConnection((connection) => connection.state);
  const profile = useServerProfile();
  const word = state === 'live' ? 'Live' : state === 'stale' ? 'Not connected' : 'Connecting';
  const where = profile?.name ?? window.location.host;
  return (
    <p
      className={`flex h-6 items-center gap-2 text-xs ${isWide ? 'px-2' : ''} ${state === 'stale' ? 'text-warn' : 'text-ink-3'}`}
      title={`${word}: ${where}`}
    >
      {state === 'stale' ? (
        <WifiOff aria-hidden className="size-3.5 shrink-0" />
      ) : (
        <Wifi aria-hidden className={`size-3.5 shrink-0 ${state === 'live' ? 'text-ok' : ''}`} />
      )}
      <span className={isWide ? 'truncate' : 'sr-only'}>
        {word}, {where}
      </span>
    </p>
  );
}

const themes: { value: Theme; text: string; icon: LucideIcon }[] = [
  { value: 'system', text: 'As the system', icon: Monitor },
  { value: 'light', text: 'Light', icon: Sun },
  { value: 'dark', text: 'Dark', icon: Moon },
];
const menuItem =
  'flex h-8 w-full cursor-pointer items-center gap-2.5 rounded-md px-2.5 text-ink outline-none data-highlighted:bg-accent-soft';

function AccountMenu({ isWide }: { isWide: boolean }) {
  const holder = useRef<HTMLDivElement>(null);
  const { data: caller } = useCaller();
  const { theme, setTheme } = useUi();
  return (
    <Menu.Root>
      <Menu.Trigger
        aria-label={`Account of ${caller?.name ?? 'nobody'}, theme`}
        className={`flex h-8 min-w-0 items-center gap-2 rounded-md text-ink-2 hover:bg-sunken hover:text-ink ${
          isWide ? 'max-w-32 px-2' : 'w-8 justify-center'
        }`}
      >
        <UserRound aria-hidden className="size-4 shrink-0" />
        {isWide && <span className="truncate">{caller?.name}</span>}
      </Menu.Trigger>
      <div ref={holder} />
      <Menu.Portal container={holder}>
        <Menu.Positioner side="top" align="start" sideOffset={6} className="z-50">
          <Menu.Popup className="appear w-56 rounded-lg border border-line bg-raised p-1 shadow-high outline-none">
            <p className="px-2.5 py-1.5 text-xs text-ink-3">
              {caller?.name}, {describeGrants(caller?.grants ?? [])}
              {caller && <span className="block">Starling {caller.version}</span>}
            </p>
            <Menu.RadioGroup value={theme} onValueChange={(value) => setTheme(value as Theme)}>
              <Menu.GroupLabel className="eyebrow px-2.5 pt-1 pb-0.5">Theme</Menu.GroupLabel>
              {themes.map(({ value, text, icon: Icon }) => (
                <Menu.RadioItem key={value} value={value} className={menuItem}>
                  <Icon aria-hidden className="size-4 text-ink-3" />
                  <span className="flex-1">{text}</span>
                  <Menu.RadioItemIndicator>
                    <Check aria-hidden className="size-4 text-accent" />
                  </Menu.RadioItemIndicator>
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <Menu.Separator className="my-1 h-px bg-line" />
            {platform.servers && (
              <MenuLink icon={<ServerCog aria-hidden className="size-4 text-ink-3" />} text="Servers" />
            )}
            <Menu.Item className={menuItem} onClick={() => void signOut()}>
              <LogOut aria-hidden className="size-4 text-ink-3" />
              Sign out
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

function MenuLink({ icon, text }: { icon: ReactNode; text: string }) {
  return (
    <Menu.Item className={menuItem} render={<Link to="/servers" />}>
      {icon}
      {text}
    </Menu.Item>
  );
}
