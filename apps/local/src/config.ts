import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { dataFolder } from '@starling/shared/data-folder.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';

export interface LocalConfig {
  /** Everything this Starling keeps lies below it. */
  data: string;
  /** Stop once the main job is done, with an exit code that says how it went. */
  exitWhenDone: boolean;
  controlPort: number;
  /** What the children inherit of the environment: enough to find programs and a home. */
  inherited: Record<string, string>;
}

const inheritedNames = [
  'PATH',
  'HOME',
  'USER',
  'LANG',
  'LC_ALL',
  'TMPDIR',
  'TZ',
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'SSH_AUTH_SOCK',
];

/** Reads the environment and the command line. */
export function readLocalConfig(commandLine: string[] = process.argv.slice(2), environment = process.env): LocalConfig {
  const controlPort = Number(environment.STARLING_PORT ?? 4600);
  if (!Number.isInteger(controlPort) || controlPort < 0 || controlPort > 65535) {
    throw new StarlingError(
      'INVALID_INPUT',
      `STARLING_PORT must be a port number, found "${environment.STARLING_PORT}"`,
      { field: 'STARLING_PORT' },
    );
  }
  const isRoot = process.getuid?.() === 0;
  return {
    data: resolve(dataFolder({ environment, platform: process.platform, homeFolder: homedir(), isRoot })),
    exitWhenDone: readOptions(commandLine)['exit-when-done'] ?? false,
    controlPort,
    inherited: inheritedEnvironment(environment),
  };
}

export function inheritedEnvironment(environment = process.env): Record<string, string> {
  return Object.fromEntries(inheritedNames.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])));
}

/** Electron needs the whole environment: the display, the session bus, its own settings. */
export function desktopEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env };
}

function readOptions(commandLine: string[]) {
  try {
    return parseArgs({ args: commandLine, options: { 'exit-when-done': { type: 'boolean' } } }).values;
  } catch (cause) {
    throw new StarlingError('INVALID_INPUT', messageOf(cause), { fix: 'npm start takes: -- --exit-when-done', cause });
  }
}
