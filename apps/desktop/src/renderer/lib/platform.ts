import type { DesktopBridge } from '../../ipc-contract.ts';
import { desktopPlatform } from './platform-desktop.ts';
import type { Platform } from './platform-port.ts';
import { webPlatform } from './platform-web.ts';

declare global {
  interface Window {
    /** Only in the Electron window. */
    starling?: DesktopBridge;
  }
}

/** Where this console runs. */
export const platform: Platform = window.starling ? desktopPlatform(window.starling) : webPlatform();
