import { EventEmitter } from 'node:events';

// A strict stand-in of the `electron` module for tests of the main process: it has what the main process uses and
// nothing else. Whatever is asked of it that it does not have throws, so a test cannot pass by what is not there.

/** Throws for members that were not declared. Symbols and `then` are asked by the language itself. */
export function strict<Shape extends object>(name: string, members: Shape): Shape {
  return new Proxy(members, {
    get(target, key, receiver) {
      if (typeof key === 'symbol' || key === 'then' || Reflect.has(target, key))
        return Reflect.get(target, key, receiver);
      throw new Error(`the stand-in of ${name} has no ${key}`);
    },
  });
}

export interface StandInOptions {
  userData: string;
  isFirstInstance?: boolean;
  isPackaged?: boolean;
}

export class StandInWindow extends EventEmitter {
  readonly webContents: StandInContents;
  readonly calls: string[] = [];
  readonly options: { webPreferences: Record<string, unknown> } & Record<string, unknown>;
  url = '';

  constructor(options: StandInWindow['options'], contents: StandInContents) {
    super();
    this.options = options;
    this.webContents = contents;
  }

  async loadURL(url: string): Promise<void> {
    this.url = url;
    this.emit('ready-to-show');
  }
  show(): void {
    this.calls.push('show');
  }
  focus(): void {
    this.calls.push('focus');
  }
  restore(): void {
    this.calls.push('restore');
  }
  maximize(): void {
    this.calls.push('maximize');
  }
  isMinimized(): boolean {
    return this.calls.includes('minimized');
  }
  isMaximized(): boolean {
    return false;
  }
  getNormalBounds() {
    return { x: 10, y: 20, width: 1_000, height: 700 };
  }
}

export class StandInContents extends EventEmitter {
  readonly sent: [channel: string, notice: unknown][] = [];
  openHandler: ((details: { url: string }) => { action: string }) | undefined;

  send(channel: string, notice: unknown): void {
    this.sent.push([channel, notice]);
  }
  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.openHandler = handler;
  }
}

type MenuItem = { label?: string; role?: string; enabled?: boolean; click?: () => void; submenu?: MenuItem[] };

/** What was done with it is in `seen`; `module` is what `import 'electron'` gives. */
export function electronStandIn({ userData, isFirstInstance = true, isPackaged = false }: StandInOptions) {
  const seen = {
    schemes: [] as { scheme: string; privileges: Record<string, boolean> }[],
    protocols: new Map<string, (request: Request) => Promise<Response>>(),
    permissions: { request: undefined as unknown, check: undefined as unknown },
    handlers: new Map<string, (event: unknown, payload: unknown) => Promise<unknown>>(),
    windows: [] as StandInWindow[],
    trays: [] as StandInTray[],
    notifications: [] as StandInNotification[],
    menu: [] as MenuItem[],
    opened: [] as string[],
    copied: [] as string[],
    deepLinks: [] as string[],
    quits: 0,
  };

  class StandInTray extends EventEmitter {
    image: unknown;
    toolTip = '';
    menu: MenuItem[] = [];
    constructor(image: unknown) {
      super();
      this.image = image;
      seen.trays.push(this);
    }
    setImage(image: unknown): void {
      this.image = image;
    }
    setToolTip(text: string): void {
      this.toolTip = text;
    }
    setContextMenu(menu: { items: MenuItem[] }): void {
      this.menu = menu.items;
    }
  }

  class StandInNotification extends EventEmitter {
    readonly options: unknown;
    isShown = false;
    constructor(options: unknown) {
      super();
      this.options = options;
      seen.notifications.push(this);
    }
    static isSupported(): boolean {
      return true;
    }
    show(): void {
      this.isShown = true;
    }
  }

  const events = new EventEmitter();
  const app = strict('app', {
    isPackaged,
    on: (name: string, listener: Parameters<EventEmitter['on']>[1]) => events.on(name, listener),
    requestSingleInstanceLock: () => isFirstInstance,
    setAsDefaultProtocolClient: (scheme: string) => seen.deepLinks.push(scheme),
    whenReady: async () => undefined,
    getName: () => 'Starling',
    getVersion: () => '1.0.0',
    getAppPath: () => userData,
    once: (name: string, listener: Parameters<EventEmitter['once']>[1]) => events.once(name, listener),
    getPath: (name: string) => {
      if (name !== 'userData') throw new Error(`the stand-in has no path ${name}`);
      return userData;
    },
    quit: () => {
      seen.quits += 1;
    },
  });

  const module = {
    app,
    BrowserWindow: function open(options: StandInWindow['options']) {
      const contents = new StandInContents();
      const window = strict('a window', new StandInWindow(options, contents));
      seen.windows.push(window);
      events.emit('web-contents-created', {}, contents);
      return window;
    },
    clipboard: strict('clipboard', { writeText: (text: string) => void seen.copied.push(text) }),
    ipcMain: strict('ipcMain', {
      handle: (channel: string, listener: (event: unknown, payload: unknown) => Promise<unknown>) => {
        if (seen.handlers.has(channel)) throw new Error(`${channel} is handled twice`);
        seen.handlers.set(channel, listener);
      },
    }),
    Menu: strict('Menu', {
      buildFromTemplate: (items: MenuItem[]) => ({ items }),
      setApplicationMenu: ({ items }: { items: MenuItem[] }) => {
        seen.menu = items;
      },
    }),
    nativeImage: strict('nativeImage', { createFromPath: (path: string) => ({ path }) }),
    net: strict('net', { fetch: () => Promise.reject(new Error('no server is there')) }),
    Notification: StandInNotification,
    protocol: strict('protocol', {
      registerSchemesAsPrivileged: (schemes: typeof seen.schemes) => void seen.schemes.push(...schemes),
      handle: (scheme: string, handler: (request: Request) => Promise<Response>) =>
        void seen.protocols.set(scheme, handler),
    }),
    safeStorage: strict('safeStorage', {
      isEncryptionAvailable: () => true,
      getSelectedStorageBackend: () => 'gnome_libsecret',
      encryptString: (text: string) => Buffer.from(text, 'utf8').reverse(),
      decryptString: (bytes: Buffer) => Buffer.from(bytes).reverse().toString('utf8'),
    }),
    screen: strict('screen', {
      getPrimaryDisplay: () => ({ id: 1, workArea: { x: 0, y: 0, width: 1_440, height: 900 } }),
      getAllDisplays: () => [{ id: 1, workArea: { x: 0, y: 0, width: 1_440, height: 900 } }],
    }),
    session: strict('session', {
      defaultSession: strict('session.defaultSession', {
        setPermissionRequestHandler: (handler: unknown) => {
          seen.permissions.request = handler;
        },
        setPermissionCheckHandler: (handler: unknown) => {
          seen.permissions.check = handler;
        },
      }),
    }),
    shell: strict('shell', { openExternal: async (url: string) => void seen.opened.push(url) }),
    Tray: StandInTray,
  };
  return { module, seen, emit: (name: string, ...parts: unknown[]) => events.emit(name, ...parts) };
}
