import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { requestPayloads } from '../ipc-contract.ts';
import { electronStandIn, type StandInOptions } from '../testing/electron-stand-in.ts';

// The main process as a whole, over a strict stand-in of Electron: what it registers, whom it answers, what it refuses.
// Electron's own security checklist is gone through point by point where a program can look.

let userData: string;
beforeEach(async () => {
  userData = await mkdtemp(join(tmpdir(), 'starling-desktop-'));
});
afterEach(async () => {
  vi.doUnmock('electron');
  vi.doUnmock('electron-updater');
  vi.unstubAllEnvs();
  vi.resetModules();
  await rm(userData, { recursive: true });
});

const updater = {
  feeds: [] as unknown[],
  listeners: new Map<string, (event: never) => void>(),
  installed: 0,
  looks: 0,
};

async function startMain(options: Partial<StandInOptions> = {}) {
  const electron = electronStandIn({ userData, ...options });
  Object.assign(updater, { feeds: [], listeners: new Map(), installed: 0, looks: 0 });
  vi.doMock('electron', () => electron.module);
  vi.doMock('electron-updater', () => ({
    default: {
      autoUpdater: {
        setFeedURL: (feed: unknown) => updater.feeds.push(feed),
        on: (name: string, listener: (event: never) => void) => updater.listeners.set(name, listener),
        checkForUpdates: async () => {
          updater.looks += 1;
        },
        quitAndInstall: () => {
          updater.installed += 1;
        },
      },
    },
  }));
  await import('./index.ts');
  if (options.isFirstInstance !== false) await vi.waitFor(() => expect(electron.seen.windows[0]?.url).toMatch(/^app:/));
  const window = electron.seen.windows[0]!;
  const ask = (channel: string, payload?: unknown, url = 'app://console/') =>
    electron.seen.handlers.get(channel)!({ senderFrame: { url, parent: null } }, payload);
  return { ...electron, window, ask };
}

describe('the window', () => {
  it('shows the console alone, sandboxed and without Node', async () => {
    const { window, seen } = await startMain();
    expect(window.url).toBe('app://console/');
    expect(window.options.webPreferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
    });
    expect(Object.keys(window.options.webPreferences)).not.toContain('allowRunningInsecureContent');
    expect(seen.schemes).toEqual([
      { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true } },
    ]);
    expect([...seen.protocols.keys()]).toEqual(['app']);
  });

  it('gives no page a permission', async () => {
    const { seen } = await startMain();
    const decide = vi.fn();
    (seen.permissions.request as (...parts: unknown[]) => void)({}, 'media', decide);
    expect(decide).toHaveBeenCalledExactlyOnceWith(false);
    expect((seen.permissions.check as () => boolean)()).toBe(false);
  });

  it('goes nowhere else, opens no window and no view; web addresses go to the browser', async () => {
    const { window, seen } = await startMain();
    const prevented = (name: string, url: string) => {
      const event = { url, preventDefault: vi.fn() };
      window.webContents.emit(name, event);
      return event.preventDefault.mock.calls.length === 1;
    };
    expect(prevented('will-navigate', 'app://console/builds')).toBe(false);
    expect(prevented('will-navigate', 'https://example.com/')).toBe(true);
    expect(prevented('will-navigate', 'file:///etc/passwd')).toBe(true);
    expect(prevented('will-redirect', 'https://example.com/')).toBe(true);
    expect(prevented('will-attach-webview', 'app://console/')).toBe(true);
    expect(window.webContents.openHandler?.({ url: 'https://example.com/docs' })).toEqual({ action: 'deny' });
    expect(window.webContents.openHandler?.({ url: 'javascript:alert(1)' })).toEqual({ action: 'deny' });
    expect(seen.opened).toEqual(['https://example.com/', 'https://example.com/docs']);
  });

  it('keeps where it was', async () => {
    const { window } = await startMain();
    window.emit('close');
    await vi.waitFor(async () =>
      expect(JSON.parse(await readFile(join(userData, 'window.json'), 'utf8'))).toEqual({
        bounds: { x: 10, y: 20, width: 1_000, height: 700 },
        maximized: false,
      }),
    );
  });
});

describe('requests of the window', () => {
  it('are answered on every channel of the contract, for the console’s own frame alone', async () => {
    const { seen, ask } = await startMain();
    expect([...seen.handlers.keys()].toSorted()).toEqual(Object.keys(requestPayloads).toSorted());
    expect(await ask('clipboard:write', { text: 'x' }, 'https://example.com/')).toMatchObject({ ok: false });
    expect(await ask('external:open', { url: 'file:///etc/passwd' })).toMatchObject({ ok: false });
    expect(await ask('clipboard:write', { text: 'x' })).toEqual({ ok: true, result: null });
    expect(seen.copied).toEqual(['x']);
  });

  it('keep profiles, and no token is among what they answer', async () => {
    vi.stubEnv('STARLING_SERVER', 'http://127.0.0.1:4611');
    const { ask } = await startMain();
    const saved = { name: 'Production', url: 'https://starling.example.com', production: true };
    expect(await ask('profiles:save', saved)).toMatchObject({ ok: true });
    const answer = await ask('profiles:read');
    expect(answer).toMatchObject({ result: { tokens: { kept: true } } });
    expect(JSON.stringify(answer)).toContain('http://127.0.0.1:4611');
    expect(JSON.stringify(answer)).not.toMatch(/stl_|"token"/);
  });

  it('show a notification, and a click opens its page', async () => {
    const { seen, ask, window } = await startMain();
    await ask('notification:show', { title: 'shop: deployment 7 failed', body: '', path: '/deployments/7' });
    expect(seen.notifications[0]).toMatchObject({ isShown: true, options: { title: 'shop: deployment 7 failed' } });
    seen.notifications[0]!.emit('click');
    expect(window.webContents.sent).toEqual([['link:opened', '/deployments/7']]);
    expect(window.calls.slice(-2)).toEqual(['show', 'focus']);
  });

  it('set what stands beside the clock', async () => {
    const { seen, ask } = await startMain();
    const [tray] = seen.trays;
    const pictures = [tray!.image];
    expect(tray!.toolTip).toBe('Starling: nothing is being deployed');
    await ask('attention:set', { state: 'failed', text: 'deployment 5 of shop failed' });
    pictures.push(tray!.image);
    expect(tray!.toolTip).toBe('Starling: deployment 5 of shop failed');
    expect(tray!.menu.map(({ label }) => label)).toContain('deployment 5 of shop failed');
    for (const picture of pictures) expect(existsSync((picture as { path: string }).path)).toBe(true);
    expect(pictures[0]).not.toEqual(pictures[1]);
    tray!.menu.find(({ label }) => label === 'Quit')!.click!();
    expect(seen.quits).toBe(1);
  });
});

describe('deep links', () => {
  it('open pages in the window that is there, and never act', async () => {
    const { seen, emit, window } = await startMain();
    expect(seen.deepLinks).toEqual(['starling']);
    emit('second-instance', {}, ['starling-console', 'starling://deployments/12?abort=yes']);
    emit('second-instance', {}, ['starling-console', 'starling://evil/../12']);
    emit('open-url', { preventDefault: () => undefined }, 'starling://machines/eu-west-1');
    expect(window.webContents.sent).toEqual([
      ['link:opened', '/deployments/12'],
      ['link:opened', '/machines/eu-west-1'],
    ]);
  });

  it('are handed on by a second console, which ends', async () => {
    const { seen } = await startMain({ isFirstInstance: false });
    expect([seen.quits, seen.windows.length]).toEqual([1, 0]);
  });
});

describe('the menu', () => {
  it('asks the page to do what is within the page', async () => {
    const { seen, window } = await startMain();
    const items = seen.menu.flatMap(({ submenu }) => (Array.isArray(submenu) ? submenu : []));
    for (const { click } of items) click?.();
    expect(window.webContents.sent.map(([, command]) => command)).toEqual([
      'palette',
      'overview',
      'servers',
      'toggle-sidebar',
      'keys',
    ]);
  });
});

describe('updates', () => {
  it('come from the configured feed alone, once the console is a package', async () => {
    vi.stubEnv('STARLING_UPDATE_URL', 'https://updates.example.com/console');
    const { ask, window } = await startMain({ isPackaged: true });
    expect(updater.feeds).toEqual([{ provider: 'generic', url: 'https://updates.example.com/console' }]);
    expect(updater.looks).toBe(1);
    expect(await ask('update:ready')).toEqual({ ok: true, result: null });
    await ask('update:install');
    expect(updater.installed).toBe(0);
    updater.listeners.get('update-downloaded')!({ version: '2.0.0' } as never);
    expect(window.webContents.sent).toEqual([['update:ready', '2.0.0']]);
    expect(await ask('update:ready')).toEqual({ ok: true, result: '2.0.0' });
    await ask('update:install');
    expect(updater.installed).toBe(1);
  });

  it.each([
    ['nothing is configured', '', true],
    ['anybody could change it on the way', 'http://updates.example.com/console', true],
    ['it runs from a folder of sources', 'https://updates.example.com/console', false],
  ])('are left alone when %s', async (_, url, isPackaged) => {
    vi.stubEnv('STARLING_UPDATE_URL', url);
    await startMain({ isPackaged });
    expect(updater.feeds).toEqual([]);
  });
});
