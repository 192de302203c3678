import { homedir } from 'node:os';
import { join } from 'node:path';
import { dataFolder } from '@starling/shared/data-folder.ts';

/** What the surroundings of this process say: the only place of the CLI that reads its environment. */
export interface Config {
  server: string | undefined;
  token: string | undefined;
  /** Where a Starling on this machine would be. */
  localDataFolder: string;
  /** May say `server` and `tokenFile`. */
  userConfigFile: string;
  colour: 'always' | 'never' | 'if terminal';
  /** Whether the terminal shows more than ASCII. */
  unicode: boolean;
  /** A terminal that cannot move its cursor gets lines instead of live displays. */
  canRedraw: boolean;
  /** Show the stack of a defect. */
  debug: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function readConfig(
  environment: Environment = process.env,
  { platform, homeFolder, isRoot }: { platform: string; homeFolder: string; isRoot: boolean } = {
    platform: process.platform,
    homeFolder: homedir(),
    isRoot: process.getuid?.() === 0,
  },
): Config {
  const dumb = environment.TERM === 'dumb';
  return {
    server: environment.STARLING_SERVER || undefined,
    token: environment.STARLING_TOKEN?.trim() || undefined,
    localDataFolder: dataFolder({ environment, platform, homeFolder, isRoot }),
    userConfigFile: join(userConfigFolder(environment, platform, homeFolder), 'starling', 'config.json'),
    colour: environment.NO_COLOR ? 'never' : isOn(environment.FORCE_COLOR) ? 'always' : dumb ? 'never' : 'if terminal',
    unicode: showsUnicode(environment, platform),
    canRedraw: !dumb,
    debug: isOn(environment.STARLING_DEBUG),
  };
}

function userConfigFolder(environment: Environment, platform: string, homeFolder: string): string {
  if (platform === 'win32') return environment.APPDATA || join(homeFolder, 'AppData', 'Roaming');
  return environment.XDG_CONFIG_HOME || join(homeFolder, '.config');
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

function showsUnicode(environment: Environment, platform: string): boolean {
  if (platform === 'win32' || platform === 'darwin') return true;
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || '';
  return /utf-?8/i.test(locale);
}
