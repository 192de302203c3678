import { commitSha } from '@starling/shared/words.ts';
import { z } from 'zod';
import { branchOf, cleanName, isNoCommit, readEvent, type WebhookEvent } from './event.ts';

// https://docs.gitlab.com/user/project/integrations/webhook_events/, as far as it is needed here.

const files = z.array(z.string()).default([]);
const push = z.object({
  ref: z.string().max(1_000),
  before: commitSha,
  after: commitSha,
  user_username: z.string().nullish(),
  user_name: z.string().nullish(),
  commits: z.array(z.object({ added: files, removed: files, modified: files })).default([]),
  /** GitLab lists the newest 20 commits at most, and says here how many there are. */
  total_commits_count: z.number().default(0),
});
const mergeRequest = z.object({
  user: z.object({ username: z.string().nullish(), name: z.string().nullish() }).optional(),
  object_attributes: z.object({
    iid: z.number(),
    action: z.string().nullish(),
    target_branch: z.string().max(1_000),
    merge_commit_sha: commitSha.nullish(),
    squash_commit_sha: commitSha.nullish(),
    last_commit: z.object({ id: commitSha }).nullish(),
  }),
});
const anyEvent = z.object({ object_kind: z.string().max(100) });

export function readGitLabEvent(payload: unknown): WebhookEvent {
  const { object_kind: name } = readEvent(anyEvent, payload, 'event of GitLab');
  if (name === 'push') return readPush(payload);
  if (name === 'merge_request') return readMergeRequest(payload);
  return { name: cleanName(name), changes: [], ignored: [`"${cleanName(name)}" events start nothing`] };
}

function readPush(payload: unknown): WebhookEvent {
  const event = readEvent(push, payload, 'push event of GitLab');
  const name = 'push';
  const branch = branchOf(event.ref);
  if (branch === undefined) return { name, changes: [], ignored: [`${cleanName(event.ref)} is no branch`] };
  if (isNoCommit(event.after)) return { name, changes: [], ignored: [`the branch ${branch} was deleted`] };
  const { commits, total_commits_count: total } = event;
  const complete = !isNoCommit(event.before) && commits.length > 0 && commits.length === total;
  const paths = complete
    ? commits.flatMap(({ added, removed, modified }) => [...added, ...removed, ...modified])
    : undefined;
  const by = cleanName(event.user_username ?? event.user_name ?? '');
  return { name, changes: [{ on: 'push', branch, commitSha: event.after, paths, by }], ignored: [] };
}

function readMergeRequest(payload: unknown): WebhookEvent {
  const { user, object_attributes: mr } = readEvent(mergeRequest, payload, 'merge request event of GitLab');
  const name = `merge_request ${cleanName(mr.action ?? '')}`;
  // A fast-forward merge makes no commit of its own: the last one of the request is then what the branch is at.
  const sha = mr.merge_commit_sha ?? mr.squash_commit_sha ?? mr.last_commit?.id;
  if (mr.action !== 'merge' || !sha) {
    return { name, changes: [], ignored: [`merge request ${mr.iid} was not merged by this`] };
  }
  const by = cleanName(user?.username ?? user?.name ?? '');
  const change = { on: 'merge' as const, branch: mr.target_branch, commitSha: sha, paths: undefined, by };
  return { name, changes: [change], ignored: [] };
}
