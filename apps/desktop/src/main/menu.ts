import { Menu, type MenuItemConstructorOptions } from 'electron';
import type { Notices } from '../ipc-contract.ts';

/** The application's menu. What it does within the page, the page is asked to do. */
export function installMenu(command: (name: Notices['menu:command']) => void): void {
  const isMac = process.platform === 'darwin';
  const go: MenuItemConstructorOptions[] = [
    { label: 'Search and act', accelerator: 'CmdOrCtrl+K', click: () => command('palette') },
    { label: 'Overview', accelerator: 'CmdOrCtrl+1', click: () => command('overview') },
    { label: 'Servers', accelerator: 'CmdOrCtrl+,', click: () => command('servers') },
  ];
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([
      ...(isMac ? [{ role: 'appMenu' as const }] : []),
      { label: 'File', submenu: [isMac ? { role: 'close' } : { role: 'quit' }] },
      { role: 'editMenu' },
      { label: 'Go', submenu: go },
      {
        label: 'View',
        submenu: [
          { label: 'Sidebar', click: () => command('toggle-sidebar') },
          { type: 'separator' },
          { role: 'reload' },
          { role: 'resetZoom' },
          { role: 'zoomIn' },
          { role: 'zoomOut' },
          { role: 'togglefullscreen' },
        ],
      },
      { role: 'windowMenu' },
      { role: 'help', submenu: [{ label: 'Keys', click: () => command('keys') }] },
    ]),
  );
}
