import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  app,
  type BrowserWindow,
  clipboard,
  ipcMain,
  Notification,
  net,
  protocol,
  safeStorage,
  session,
  shell,
} from 'electron';
import { pathOfDeepLink } from '../deep-link.ts';
import type { NoticeChannel, Notices, ProfileState } from '../ipc-contract.ts';
import { createAppHandler } from './app-protocol.ts';
import { readDesktopConfig } from './config.ts';
import { installMenu } from './menu.ts';
import { ProfileStore } from './profile-store.ts';
import { answerRequests } from './requests.ts';
import { TokenVault } from './token-vault.ts';
import { showTray } from './tray.ts';
import { externalAddress } from './trusted-sender.ts';
import { followUpdates } from './updates.ts';
import { confine, openWindow } from './window.ts';

// Has to be said before the application is ready.
protocol.registerSchemesAsPrivileged([
  { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true } },
]);

let window: BrowserWindow | undefined;
/** The page of a link that came before the window could show it. */
let waitingLink: string | null = null;

if (app.requestSingleInstanceLock()) {
  app.setAsDefaultProtocolClient('starling');
  app.on('second-instance', (_event, argv) => {
    showWindow();
    followLinkIn(argv);
  });
  app.on('open-url', (event, link) => {
    event.preventDefault();
    followLink(link);
  });
  app.on('web-contents-created', (_event, contents) => confine(contents));
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  followLinkIn(process.argv);
  void app.whenReady().then(run);
} else {
  app.quit();
}

async function run(): Promise<void> {
  const config = readDesktopConfig();
  const folder = app.getPath('userData');
  const profiles = await ProfileStore.open(join(folder, 'servers.json'), config.serverUrl);
  const tokens = await TokenVault.open(join(folder, 'tokens.json'), safeStorage);
  if (config.tokenFile) {
    const token = (await readFile(config.tokenFile, 'utf8').catch(() => '')).trim();
    if (token !== '') await tokens.set('local', token);
  }

  session.defaultSession.setPermissionRequestHandler((_contents, _permission, decide) => decide(false));
  session.defaultSession.setPermissionCheckHandler(() => false);
  protocol.handle(
    'app',
    createAppHandler({
      rendererFolder: join(import.meta.dirname, '../renderer'),
      server: () => profiles.selected,
      tokens,
      fetch: (url, init) => net.fetch(url, init),
    }),
  );

  const open = async () => {
    window = await openWindow({ stateFile: join(folder, 'window.json'), path: '/' });
    window.on('closed', () => {
      window = undefined;
    });
  };
  const show = () => (window ? showWindow() : void open());
  const tray = showTray({ show, quit: () => app.quit() });
  // What was not installed by its own package (a folder of sources, say) cannot replace itself.
  const updates =
    config.updateUrl && app.isPackaged
      ? followUpdates({ feedUrl: config.updateUrl, onReady: (version) => tell('update:ready', version) })
      : undefined;

  const profileState = (): ProfileState => ({
    profiles: [...profiles.profiles],
    selected: profiles.selected?.id ?? null,
    tokens: tokens.whyNotKept === null ? { kept: true } : { kept: false, because: tokens.whyNotKept },
  });
  answerRequests(ipcMain, {
    'profiles:read': profileState,
    'profiles:save': async (input) => {
      const { profile, moved } = await profiles.save(input);
      // A token is for one server: it must not be sent to another that took the profile over.
      if (moved) await tokens.forget(profile.id);
      return profileState();
    },
    'profiles:remove': async ({ id }) => {
      await profiles.remove(id);
      await tokens.forget(id);
      return profileState();
    },
    'profiles:select': async ({ id }) => {
      await profiles.select(id);
      return profileState();
    },
    'notification:show': ({ title, body, path }) => {
      if (!Notification.isSupported()) return null;
      const notification = new Notification({ title, body });
      notification.on('click', () => {
        showWindow();
        tell('link:opened', path);
      });
      notification.show();
      return null;
    },
    'attention:set': (attention) => {
      tray.tell(attention);
      return null;
    },
    'update:ready': () => updates?.ready() ?? null,
    'update:install': () => {
      updates?.install();
      return null;
    },
    'external:open': async ({ url }) => {
      const external = externalAddress(url);
      if (!external) throw new Error('Only web addresses are opened.');
      await shell.openExternal(external);
      return null;
    },
    'clipboard:write': ({ text }) => {
      clipboard.writeText(text);
      return null;
    },
    'link:take': () => {
      const link = waitingLink;
      waitingLink = null;
      return link;
    },
  });

  installMenu((command) => tell('menu:command', command));
  app.on('activate', () => {
    if (!window) void open();
  });
  await open();
}

function showWindow(): void {
  if (!window) return;
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
}

function tell<Channel extends NoticeChannel>(channel: Channel, notice: Notices[Channel]): void {
  window?.webContents.send(channel, notice);
}

function followLinkIn(argv: readonly string[]): void {
  const link = argv.find((word) => word.startsWith('starling://'));
  if (link) followLink(link);
}

/** Shows the page that a link names. It never does more than that. */
function followLink(link: string): void {
  const path = pathOfDeepLink(link);
  if (!path) return;
  if (!window) {
    waitingLink = path;
    return;
  }
  showWindow();
  tell('link:opened', path);
}
