import { userInfo } from 'node:os';
import { StarlingError } from '@starling/shared/errors.ts';
import type { RunSpec } from '@starling/shared/manifest.ts';

/** Who this process is: the tests say it themselves. */
export interface OwnUser {
  name: string;
  isRoot: boolean;
}

export interface Confined {
  user?: RunSpec['user'];
  limits?: RunSpec['limits'];
}

export function ownUser(): OwnUser {
  const { uid, username } = userInfo();
  return { name: username, isRoot: uid === 0 };
}

/**
 * The text that a shell evaluates in place of `exec /bin/sh -c "$2"`, so that the command in `$2` runs with the limits and as
 * the user that the build asks for. The process stays the same, so its id that was written down before stays true.
 * PRECONDITION_FAILED when this process may not become that user.
 */
export function confinement({ user, limits }: Confined, own: OwnUser): string {
  const before = [
    ...(limits?.openFiles === undefined ? [] : [`ulimit -n ${limits.openFiles}`]),
    // dash calls it -p, bash -u. The kernel counts all that the user runs, and not at all for root: see `limit-watch.ts`, which
    // also looks after memory.
    ...(limits?.processes === undefined
      ? []
      : [`{ ulimit -u ${limits.processes} 2>/dev/null || ulimit -p ${limits.processes}; }`]),
  ];
  return [...before, `exec ${asUser(user, own)}/bin/sh -c "$2"`].join(' && ');
}

function asUser(user: string | undefined, own: OwnUser): string {
  if (user === undefined || user === own.name) return '';
  if (!own.isRoot) {
    throw new StarlingError(
      'PRECONDITION_FAILED',
      `the build is to run as ${user}, but its agent runs as ${own.name} and may not become anybody else`,
      { fix: `Run the agent as root or as ${user}, or leave out run.user.` },
    );
  }
  // `su` would start a session of its own and keep a parent; setpriv (util-linux) becomes the command.
  const home = `"$(getent passwd ${user} | cut -d: -f6)"`;
  return `env HOME=${home} USER=${user} LOGNAME=${user} setpriv --reuid=${user} --regid="$(id -g ${user})" --init-groups -- `;
}
