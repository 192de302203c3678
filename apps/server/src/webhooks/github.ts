import { commitSha } from '@starling/shared/words.ts';
import { z } from 'zod';
import { branchOf, cleanName, isNoCommit, readEvent, type WebhookEvent } from './event.ts';

// https://docs.github.com/en/webhooks/webhook-events-and-payloads, as far as it is needed here.

const files = z.array(z.string()).default([]);
const push = z.object({
  ref: z.string().max(1_000),
  after: commitSha,
  created: z.boolean().default(false),
  deleted: z.boolean().default(false),
  forced: z.boolean().default(false),
  commits: z.array(z.object({ added: files, removed: files, modified: files })).default([]),
  pusher: z.object({ name: z.string() }).optional(),
  sender: z.object({ login: z.string() }).optional(),
});
const pullRequest = z.object({
  action: z.string(),
  number: z.number(),
  pull_request: z.object({
    merged: z.boolean().nullish(),
    merge_commit_sha: commitSha.nullish(),
    merged_by: z.object({ login: z.string() }).nullish(),
    base: z.object({ ref: z.string().max(1_000) }),
  }),
  sender: z.object({ login: z.string() }).optional(),
});

/** GitHub lists no more commits than these. */
const mostCommits = 2_048;

export function readGitHubEvent(name: string, payload: unknown): WebhookEvent {
  if (name === 'ping') return { name, changes: [], ignored: ['a ping: the webhook is set up'] };
  if (name === 'push') return readPush(payload);
  if (name === 'pull_request') return readPullRequest(payload);
  return { name, changes: [], ignored: [`"${cleanName(name)}" events start nothing`] };
}

function readPush(payload: unknown): WebhookEvent {
  const event = readEvent(push, payload, 'push event of GitHub');
  const name = 'push';
  const branch = branchOf(event.ref);
  if (branch === undefined) return { name, changes: [], ignored: [`${cleanName(event.ref)} is no branch`] };
  if (event.deleted || isNoCommit(event.after)) {
    return { name, changes: [], ignored: [`the branch ${branch} was deleted`] };
  }
  const { commits, created, forced } = event;
  // Of a new branch, and of one whose history was replaced, the listed commits are not all that changed.
  const complete = !created && !forced && commits.length > 0 && commits.length < mostCommits;
  const paths = complete
    ? commits.flatMap(({ added, removed, modified }) => [...added, ...removed, ...modified])
    : undefined;
  const by = cleanName(event.pusher?.name ?? event.sender?.login ?? '');
  return { name, changes: [{ on: 'push', branch, commitSha: event.after, paths, by }], ignored: [] };
}

function readPullRequest(payload: unknown): WebhookEvent {
  const { action, number, pull_request: pr, sender } = readEvent(pullRequest, payload, 'pull request event of GitHub');
  const name = `pull_request ${cleanName(action)}`;
  if (action !== 'closed' || !pr.merged || !pr.merge_commit_sha) {
    return { name, changes: [], ignored: [`pull request ${number} was not merged by this`] };
  }
  const by = cleanName(pr.merged_by?.login ?? sender?.login ?? '');
  const change = { on: 'merge' as const, branch: pr.base.ref, commitSha: pr.merge_commit_sha, paths: undefined, by };
  return { name, changes: [change], ignored: [] };
}
