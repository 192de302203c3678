import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { api, queryClient } from '../lib/api.ts';
import { platform } from '../lib/platform.ts';
import { useUi } from '../lib/ui-state.ts';
import { mainPages, systemPages } from './pages.ts';

const goTo = [...mainPages, ...systemPages];

/** What the keys do, as the `?` dialog lists them. */
export const keyList: { title: string; keys: [keys: string[], text: string][] }[] = [
  {
    title: 'Anywhere',
    keys: [
      [['mod+K'], 'Search and act'],
      [['?'], 'This list'],
      [['/'], 'Go to the filter of the page'],
      [['['], 'Sidebar wide or narrow'],
      [['Esc'], 'Close what is open'],
    ],
  },
  {
    title: 'Go to',
    keys: goTo.map(({ key, text }): [string[], string] => [['g', key], text]),
  },
  {
    title: 'On a project’s page',
    keys: [
      [['b'], 'Build a commit'],
      [['d'], 'Deploy the newest build'],
      [['r'], 'Roll back: choose a version'],
    ],
  },
];

const chordWithinMs = 1_200;

/** Listens for the console's keys. Single keys never act while somebody types or a dialog is open. */
export function useShortcuts(): void {
  const navigate = useNavigate();
  useEffect(() => {
    let goUntil = 0;
    const onKey = (event: KeyboardEvent) => {
      const ui = useUi.getState();
      if ((event.metaKey || event.ctrlKey) && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        if (!ui.dialog) ui.setOverlay(ui.overlay === 'palette' ? null : 'palette');
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
      if (!ui.singleKeys || ui.dialog || ui.overlay || isTyping(event.target)) return;
      const done = () => event.preventDefault();
      if (Date.now() < goUntil) {
        goUntil = 0;
        const page = goTo.find(({ key }) => key === event.key);
        if (page) {
          done();
          void navigate({ to: page.to });
          return;
        }
      }
      switch (event.key) {
        case 'g':
          goUntil = Date.now() + chordWithinMs;
          return done();
        case '?':
          ui.setOverlay('keys');
          return done();
        case '[':
          ui.toggleSidebar();
          return done();
        case '/': {
          const filter = document.querySelector<HTMLElement>('#page input[type=search]');
          if (!filter) return;
          filter.focus();
          return done();
        }
        case 'b':
          if (ui.project) ui.open({ kind: 'build', project: ui.project });
          return;
        case 'r':
          if (ui.project) {
            ui.open({ kind: 'rollback', project: ui.project });
            done();
          }
          return;
        case 'd': {
          if (!ui.project) return;
          const versions = queryClient.getQueryData(api.builds.versions.queryKey({ project: ui.project }));
          const newest = versions?.[0];
          if (newest) ui.open({ kind: 'deploy', project: ui.project, buildId: newest.id });
          return done();
        }
      }
    };
    window.addEventListener('keydown', onKey);
    const stopLinks = platform.onLink((path) => void navigate({ href: path }));
    const stopMenu = platform.onMenuCommand((command) => {
      const ui = useUi.getState();
      if (command === 'palette' || command === 'keys') ui.setOverlay(command);
      else if (command === 'toggle-sidebar') ui.toggleSidebar();
      else void navigate({ to: command === 'servers' ? '/servers' : '/' });
    });
    return () => {
      window.removeEventListener('keydown', onKey);
      stopLinks();
      stopMenu();
    };
  }, [navigate]);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
