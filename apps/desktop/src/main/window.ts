import { join } from 'node:path';
import { BrowserWindow, screen, shell, type WebContents } from 'electron';
import { appOrigin } from './app-protocol.ts';
import { externalAddress } from './trusted-sender.ts';
import { openingBounds, readWindowState, writeWindowState } from './window-state.ts';

/** Opens the window where it was last, on the page `path`. */
export async function openWindow({ stateFile, path }: { stateFile: string; path: string }): Promise<BrowserWindow> {
  const state = await readWindowState(stateFile);
  const primary = screen.getPrimaryDisplay();
  const displays = [primary, ...screen.getAllDisplays().filter((display) => display.id !== primary.id)];
  const window = new BrowserWindow({
    ...openingBounds(
      state.bounds,
      displays.map((display) => display.workArea),
    ),
    minWidth: 800,
    minHeight: 560,
    show: false,
    title: 'Starling',
    backgroundColor: '#121119',
    autoHideMenuBar: true,
    webPreferences: {
      preload: join(import.meta.dirname, '../preload/index.cjs'),
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
      navigateOnDragDrop: false,
      safeDialogs: true,
      spellcheck: false,
      // It follows what happens while it is hidden, to notify.
      backgroundThrottling: false,
    },
  });
  if (state.maximized) window.maximize();
  window.once('ready-to-show', () => window.show());
  window.on('close', () => {
    void writeWindowState(stateFile, { bounds: window.getNormalBounds(), maximized: window.isMaximized() }).catch(
      () => {},
    );
  });
  await window.loadURL(`${appOrigin}${path}`);
  return window;
}

/** Nothing but the console is ever shown: other pages go to the system's browser, windows and views not at all. */
export function confine(contents: WebContents): void {
  const toBrowser = (address: string) => {
    const external = externalAddress(address);
    if (external) void shell.openExternal(external);
  };
  contents.on('will-navigate', (event) => {
    if (event.url.startsWith(`${appOrigin}/`)) return;
    event.preventDefault();
    toBrowser(event.url);
  });
  contents.on('will-redirect', (event) => {
    if (!event.url.startsWith(`${appOrigin}/`)) event.preventDefault();
  });
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    toBrowser(url);
    return { action: 'deny' };
  });
}
