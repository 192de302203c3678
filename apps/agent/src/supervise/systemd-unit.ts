import type { RunSpec } from '@starling/shared/manifest.ts';

export interface UnitOrder {
  project: string;
  build: string;
  run: RunSpec;
  command: string;
  folder: string;
  environment: Record<string, string>;
  logPath: string;
}

/** The name of a project's unit. */
export const unitName = (project: string): string => `starling-${project}.service`;

/**
 * The text of the unit that runs a build (systemd.service(5)). systemd does not restart it: the agent does, who has to know
 * of each exit to take a build back that keeps exiting. The whole control group ends with the program.
 */
export function unitText(order: UnitOrder): string {
  const { project, build, run, command, folder, environment, logPath } = order;
  const { limits, user } = run;
  const lines = [
    '[Unit]',
    `Description=Starling: ${project}, ${build}`,
    '',
    '[Service]',
    'Type=exec',
    'Restart=no',
    'KillMode=mixed',
    `TimeoutStopSec=${Math.max(1, run.stopGraceMs)}ms`,
    `WorkingDirectory=${escapePath(folder)}`,
    ...Object.entries(environment).map(([name, value]) => `Environment=${quote(`${name}=${value}`)}`),
    `ExecStart=/bin/sh -c ${quote(command).replaceAll('$', '$$$$')}`,
    'StandardInput=null',
    `StandardOutput=append:${escapePath(logPath)}`,
    `StandardError=append:${escapePath(logPath)}`,
    ...(user === undefined ? [] : [`User=${user}`]),
    ...(limits?.memoryBytes === undefined ? [] : [`MemoryMax=${limits.memoryBytes}`]),
    ...(limits?.openFiles === undefined ? [] : [`LimitNOFILE=${limits.openFiles}`]),
    ...(limits?.processes === undefined ? [] : [`TasksMax=${limits.processes}`]),
  ];
  return `${lines.join('\n')}\n`;
}

/** One word in double quotes (systemd.syntax(7)): backslashes, quotes, line ends and specifiers mean themselves. */
function quote(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replaceAll('%', '%%');
  return `"${escaped}"`;
}

/** Paths are taken to the end of the line. */
function escapePath(path: string): string {
  if (/[\n\r]/.test(path)) throw new TypeError('a path in a unit has no line ends');
  return path.replaceAll('%', '%%');
}
