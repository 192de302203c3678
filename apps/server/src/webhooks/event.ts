import { StarlingError } from '@starling/shared/errors.ts';
import type { z } from 'zod';

/** A commit that has come to a branch. */
export interface Change {
  on: 'push' | 'merge';
  branch: string;
  /** The head of the branch as the event names it; what the branch is by now does not matter. */
  commitSha: string;
  /** The files that changed; undefined when the event does not say, or does not say all of them. */
  paths: string[] | undefined;
  /** Who did it, as the source calls them. */
  by: string;
}

/** What an event says, whoever sent it. */
export interface WebhookEvent {
  /** As the source calls it. */
  name: string;
  changes: Change[];
  /** Why parts of it, or all, start nothing. */
  ignored: string[];
}

export const isNoCommit = (sha: string): boolean => /^0+$/.test(sha);

/** The branch that a full ref names; undefined for a tag and whatever else there is. */
export const branchOf = (ref: string): string | undefined =>
  ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : undefined;

/** What is kept of a name from outside: it will be shown. */
export const cleanName = (name: string): string =>
  name
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, 100) || 'unknown';

/** INVALID_INPUT names the field that is missing or wrong. */
export function readEvent<T>(schema: z.ZodType<T>, payload: unknown, what: string): T {
  const parsed = schema.safeParse(payload);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new StarlingError('INVALID_INPUT', `this is no ${what}: ${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}
