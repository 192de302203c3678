import { describe, expect, it } from 'vitest';
import { readGitHubEvent } from './github.ts';
import { readGitLabEvent } from './gitlab.ts';
import { readPlainGitEvent } from './plain-git.ts';
import {
  gitHubPing,
  gitHubPullRequest,
  gitHubPush,
  gitLabMergeRequest,
  gitLabPush,
  noCommit,
} from './testing/sample-events.ts';

const sha = '1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b';
const old = '6113728f27ae82c7b1a177c8d03f9e96e0adf246';

describe('GitHub', () => {
  const push = (more?: Record<string, unknown>) => readGitHubEvent('push', gitHubPush(sha, more));

  it('a push is its head commit, its branch and the files of its commits', () => {
    expect(push()).toEqual({
      name: 'push',
      changes: [{ on: 'push', branch: 'main', commitSha: sha, paths: ['README.md'], by: 'Codertocat' }],
      ignored: [],
    });
  });

  it.each([
    ['a forced push', { forced: true }],
    ['a new branch', { created: true }],
    ['a push without commits', { commits: [] }],
    ['more commits than GitHub lists', { commits: Array.from({ length: 2_048 }, () => ({ added: ['a'] })) }],
  ])('%s does not say all that changed', (_, more) => {
    expect(push(more).changes).toMatchObject([{ commitSha: sha, paths: undefined }]);
  });

  it.each([
    ['a tag', { ref: 'refs/tags/v1' }, 'refs/tags/v1 is no branch'],
    ['a deleted branch', { deleted: true, after: noCommit }, 'the branch main was deleted'],
  ])('%s starts nothing', (_, more, why) => {
    expect(push(more)).toEqual({ name: 'push', changes: [], ignored: [why] });
  });

  it('a merged pull request is its merge commit on the target branch', () => {
    expect(readGitHubEvent('pull_request', gitHubPullRequest(sha))).toEqual({
      name: 'pull_request closed',
      changes: [{ on: 'merge', branch: 'main', commitSha: sha, paths: undefined, by: 'reviewer' }],
      ignored: [],
    });
  });

  it('a pull request that was closed without a merge starts nothing, nor do a ping and other events', () => {
    expect(readGitHubEvent('pull_request', gitHubPullRequest(sha, { merged: false })).changes).toEqual([]);
    expect(readGitHubEvent('ping', gitHubPing).ignored).toEqual(['a ping: the webhook is set up']);
    expect(readGitHubEvent('issues', {}).ignored).toEqual(['"issues" events start nothing']);
  });

  it('names the field that is missing', () => {
    expect(() => readGitHubEvent('push', { ref: 'refs/heads/main' })).toThrow(/no push event of GitHub: after/);
    expect(() => readGitHubEvent('push', gitHubPush('main'))).toThrow(/after/);
  });
});

describe('GitLab', () => {
  it('a push is its head commit, its branch and the files of its commits', () => {
    expect(readGitLabEvent(gitLabPush(sha)).changes).toEqual([
      {
        on: 'push',
        branch: 'main',
        commitSha: sha,
        paths: ['CHANGELOG', 'app/controller/application.rb'],
        by: 'jsmith',
      },
    ]);
  });

  it('says that it does not know all files when not all commits are listed', () => {
    expect(readGitLabEvent(gitLabPush(sha, { total_commits_count: 21 })).changes).toMatchObject([{ paths: undefined }]);
    expect(readGitLabEvent(gitLabPush(sha, { before: noCommit })).changes).toMatchObject([{ paths: undefined }]);
  });

  it('tags, deleted branches and other events start nothing', () => {
    expect(readGitLabEvent(gitLabPush(noCommit, { checkout_sha: null })).ignored).toEqual([
      'the branch main was deleted',
    ]);
    expect(readGitLabEvent({ object_kind: 'tag_push' }).ignored).toEqual(['"tag_push" events start nothing']);
  });

  it.each([
    ['with a merge commit', { merge_commit_sha: sha, squash_commit_sha: old }],
    ['squashed and fast-forwarded', { squash_commit_sha: sha }],
    ['fast-forwarded', { last_commit: { id: sha } }],
  ])('a request that was merged %s is what the target branch is at', (_, attributes) => {
    expect(readGitLabEvent(gitLabMergeRequest(attributes))).toEqual({
      name: 'merge_request merge',
      changes: [{ on: 'merge', branch: 'main', commitSha: sha, paths: undefined, by: 'root' }],
      ignored: [],
    });
  });

  it('a request that was only approved starts nothing', () => {
    expect(readGitLabEvent(gitLabMergeRequest({ action: 'approved' })).changes).toEqual([]);
  });
});

describe('plain git', () => {
  it('reads what a post-receive hook is told, ref by ref', () => {
    const text = [
      'pusher ada',
      `${old} ${sha} refs/heads/main`,
      '\tREADME.md',
      '\tservices/shop/index.ts',
      `${noCommit} ${sha} refs/heads/new`,
      `${old} ${noCommit} refs/heads/gone`,
      '\tnot of a branch',
      `${noCommit} ${sha} refs/tags/v1`,
      '',
    ].join('\n');
    const change = { on: 'push', commitSha: sha, by: 'ada' };
    expect(readPlainGitEvent(text)).toEqual({
      name: 'push',
      changes: [
        { ...change, branch: 'main', paths: ['README.md', 'services/shop/index.ts'] },
        { ...change, branch: 'new', paths: undefined },
      ],
      ignored: ['the branch gone was deleted', 'refs/tags/v1 is no branch'],
    });
  });

  it.each([
    ['nothing', ''],
    ['something else', 'hello'],
    ['a ref that is none', `${old} ${sha} main`],
    ['too many refs', `${old} ${sha} refs/heads/main\n`.repeat(51)],
  ])('refuses %s', (_, text) => {
    expect(() => readPlainGitEvent(text)).toThrow();
  });
});
