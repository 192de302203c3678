import { setInterval } from 'node:timers';
import updater from 'electron-updater';

export interface Updates {
  /** Ends the console and starts the version that was downloaded. Does nothing while there is none. */
  install(): void;
  /** The version that waits to be installed; null while there is none. */
  ready(): string | null;
}

const everyMs = 4 * 60 * 60_000;

/**
 * Looks for a newer console at a feed: a folder behind HTTPS with what electron-builder wrote (`latest.yml` and the
 * packages). It is downloaded, its SHA-512 and on macOS and Windows its signature checked, and it is installed when a
 * person says so or at the next start. A feed that cannot be read is asked again later and bothers nobody.
 */
export function followUpdates({ feedUrl, onReady }: { feedUrl: string; onReady: (version: string) => void }): Updates {
  const { autoUpdater } = updater;
  let ready: string | null = null;
  autoUpdater.autoDownload = true;
  autoUpdater.autoInstallOnAppQuit = true;
  autoUpdater.allowDowngrade = false;
  autoUpdater.logger = null;
  autoUpdater.setFeedURL({ provider: 'generic', url: feedUrl });
  // Without a listener an error event would end the process.
  autoUpdater.on('error', () => undefined);
  autoUpdater.on('update-downloaded', ({ version }) => {
    ready = version;
    onReady(version);
  });
  const look = () => void autoUpdater.checkForUpdates().catch(() => undefined);
  look();
  setInterval(look, everyMs).unref();
  return {
    install: () => {
      if (ready !== null) autoUpdater.quitAndInstall();
    },
    ready: () => ready,
  };
}
