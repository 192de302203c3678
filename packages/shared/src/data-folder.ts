import { posix } from 'node:path';

export interface Surroundings {
  environment: Readonly<Record<string, string | undefined>>;
  platform: string;
  homeFolder: string;
  isRoot: boolean;
}

/** Where a Starling that runs on this machine keeps everything: STARLING_DATA, else the customary place for its user. */
export function dataFolder({ environment, platform, homeFolder, isRoot }: Surroundings): string {
  if (environment.STARLING_DATA) return environment.STARLING_DATA;
  if (platform === 'win32') return `${environment.LOCALAPPDATA ?? `${homeFolder}\\AppData\\Local`}\\starling`;
  if (isRoot) return '/var/lib/starling';
  if (platform === 'darwin') return posix.join(homeFolder, 'Library/Application Support/starling');
  return posix.join(environment.XDG_DATA_HOME || posix.join(homeFolder, '.local/share'), 'starling');
}

/** In the data folder, readable by its owner alone: how a CLI on the same machine finds and enters this Starling. */
export const localAccessFile = 'local.json';
export interface LocalAccess {
  /** The address of the API and the console. */
  server: string;
  token: string;
}
