import { join } from 'node:path';
import { Menu, nativeImage, Tray } from 'electron';
import type { Attention } from '../ipc-contract.ts';

export interface TrayIcon {
  /** What is going on, as the window says it. */
  tell(attention: Attention): void;
}

/** The icon beside the clock: calm, something runs, or something failed, with what it is in words. */
export function showTray({ show, quit }: { show: () => void; quit: () => void }): TrayIcon {
  const imageOf = (state: Attention['state']) =>
    nativeImage.createFromPath(join(import.meta.dirname, `../../resources/tray-${state}.png`));
  const tray = new Tray(imageOf('quiet'));
  tray.on('click', show);
  let told = '';
  const tell = ({ state, text }: Attention) => {
    // The window says it with every change of the fleet; menus that are open must not be replaced each time.
    if (told === `${state} ${text}`) return;
    told = `${state} ${text}`;
    tray.setImage(imageOf(state));
    tray.setToolTip(`Starling: ${text}`);
    tray.setContextMenu(
      Menu.buildFromTemplate([
        { label: text, enabled: false },
        { type: 'separator' },
        { label: 'Show Starling', click: show },
        { label: 'Quit', click: quit },
      ]),
    );
  };
  tell({ state: 'quiet', text: 'nothing is being deployed' });
  return { tell };
}
