import { matchesBranch } from '@starling/shared/branch-pattern.ts';
import type { ProjectSettings } from '@starling/shared/project-settings.ts';
import type { Change } from './event.ts';

type Trigger = ProjectSettings['triggers'][number];

/** Whether one of the project's rules wants a build of this change, and why not when none does. */
export function judge(triggers: readonly Trigger[], change: Change): { build: true } | { build: false; why: string } {
  const what = change.on === 'push' ? `pushes to ${change.branch}` : `merges into ${change.branch}`;
  const forBranch = triggers.filter(
    ({ on, branches }) => on === change.on && branches.some((pattern) => matchesBranch(pattern, change.branch)),
  );
  if (forBranch.length === 0) return { build: false, why: `no rule for ${what}` };
  if (forBranch.some((trigger) => isTouched(trigger, change.paths))) return { build: true };
  return { build: false, why: `no file changed that the rules for ${what} name` };
}

/** What is not known counts as touched: building once too often is better than once too seldom. */
function isTouched({ paths: wanted }: Trigger, changed: readonly string[] | undefined): boolean {
  if (wanted.length === 0 || changed === undefined) return true;
  // Git puts unusual names into quotes; what they stand below is not worth reading out of them.
  if (changed.some((path) => path.startsWith('"'))) return true;
  return wanted.some((path) => {
    const folder = path.replace(/^\.?\//, '').replace(/\/+$/, '');
    return folder === '' || changed.some((file) => file === folder || file.startsWith(`${folder}/`));
  });
}
