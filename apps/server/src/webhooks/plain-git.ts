import { StarlingError } from '@starling/shared/errors.ts';
import { branchOf, type Change, cleanName, isNoCommit, type WebhookEvent } from './event.ts';

// What git tells a post-receive hook, almost as it tells it, so that the hook needs no JSON: a line `<old> <new> <ref>`
// for each ref, after each the files that changed, one a line behind a tab (none: not known), and before all of them
// `pusher <name>`.

const sha = '[0-9a-f]{40}(?:[0-9a-f]{24})?';
const refLine = new RegExp(`^(${sha}) (${sha}) (refs/\\S{1,1000})$`);
const mostRefs = 50;

/** Throws INVALID_INPUT for what is no such text. */
export function readPlainGitEvent(text: string): WebhookEvent {
  const event: WebhookEvent = { name: 'push', changes: [], ignored: [] };
  let by = 'unknown';
  let refs = 0;
  let current: Change | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('pusher ')) by = cleanName(line.slice('pusher '.length));
    else if (line.startsWith('\t')) addPath(current, line.slice(1));
    else if (line.trim() !== '') {
      const [, , after, ref] = refLine.exec(line) ?? [];
      if (!after || !ref) {
        throw new StarlingError('INVALID_INPUT', `this is no line of a post-receive hook: ${cleanName(line)}`);
      }
      refs += 1;
      if (refs > mostRefs) {
        throw new StarlingError('INVALID_INPUT', `more than ${mostRefs} refs were pushed at once: none is built`);
      }
      const branch = branchOf(ref);
      current = undefined;
      if (branch === undefined) event.ignored.push(`${ref} is no branch`);
      else if (isNoCommit(after)) event.ignored.push(`the branch ${branch} was deleted`);
      else {
        current = { on: 'push', branch, commitSha: after, paths: undefined, by };
        event.changes.push(current);
      }
    }
  }
  if (refs === 0) throw new StarlingError('INVALID_INPUT', 'it names no ref that was pushed');
  return event;
}

function addPath(change: Change | undefined, path: string): void {
  if (!change || path === '') return;
  change.paths ??= [];
  change.paths.push(path);
}
