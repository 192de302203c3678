// Events as the sources send them, cut down to what is read of them and a little of what is not.
// GitHub: https://docs.github.com/en/webhooks/webhook-events-and-payloads
// GitLab: https://docs.gitlab.com/user/project/integrations/webhook_events/

export const noCommit = '0'.repeat(40);
const before = '6113728f27ae82c7b1a177c8d03f9e96e0adf246';

export function gitHubPush(after: string, more: Record<string, unknown> = {}) {
  return {
    ref: 'refs/heads/main',
    before,
    after,
    created: false,
    deleted: false,
    forced: false,
    base_ref: null,
    compare: 'https://github.com/Codertocat/Hello-World/compare/6113728f27ae...1a2b',
    commits: [
      {
        id: after,
        tree_id: 'f9d2a07e9488b91af2641b26b9407fe22a451433',
        distinct: true,
        message: 'Update README.md',
        timestamp: '2019-05-15T15:20:30Z',
        author: { name: 'Codertocat', email: '21031067+Codertocat@users.noreply.github.com', username: 'Codertocat' },
        added: [],
        removed: [],
        modified: ['README.md'],
      },
    ],
    head_commit: { id: after, message: 'Update README.md' },
    repository: { id: 186853002, full_name: 'Codertocat/Hello-World', pushed_at: 1557933657, default_branch: 'main' },
    pusher: { name: 'Codertocat', email: '21031067+Codertocat@users.noreply.github.com' },
    sender: { login: 'Codertocat', id: 21031067, type: 'User' },
    ...more,
  };
}

export function gitHubPullRequest(mergeCommit: string, more: Record<string, unknown> = {}) {
  return {
    action: 'closed',
    number: 2,
    pull_request: {
      url: 'https://api.github.com/repos/Codertocat/Hello-World/pulls/2',
      id: 279147437,
      number: 2,
      state: 'closed',
      title: 'Update the README with new information.',
      user: { login: 'Codertocat', id: 21031067 },
      merged_at: '2019-05-15T15:20:33Z',
      merge_commit_sha: mergeCommit,
      head: { label: 'Codertocat:changes', ref: 'changes', sha: 'ec26c3e57ca3a959ca5aad62de7213c562f8c821' },
      base: { label: 'Codertocat:main', ref: 'main', sha: 'f95f852bd8fca8fcc58a9a2d6c842781e32a215e' },
      merged: true,
      merged_by: { login: 'reviewer', id: 1 },
      ...more,
    },
    repository: { id: 186853002, full_name: 'Codertocat/Hello-World' },
    sender: { login: 'Codertocat', id: 21031067 },
  };
}

export const gitHubPing = {
  zen: 'Anything added dilutes everything else.',
  hook_id: 109948940,
  hook: { type: 'Repository', id: 109948940, name: 'web', active: true, events: ['push'] },
  repository: { id: 186853002, full_name: 'Codertocat/Hello-World' },
};

export function gitLabPush(after: string, more: Record<string, unknown> = {}) {
  return {
    object_kind: 'push',
    event_name: 'push',
    before: '95790bf891e76fee5e1747ab589903a6a1f80f22',
    after,
    ref: 'refs/heads/main',
    ref_protected: true,
    checkout_sha: after,
    user_id: 4,
    user_name: 'John Smith',
    user_username: 'jsmith',
    project_id: 15,
    project: { id: 15, name: 'Diaspora', path_with_namespace: 'mike/diaspora', default_branch: 'main' },
    commits: [
      {
        id: after,
        message: 'fixed readme',
        timestamp: '2012-01-03T23:36:29+02:00',
        author: { name: 'GitLab dev user', email: 'gitlabdev@dv6700.(none)' },
        added: ['CHANGELOG'],
        modified: ['app/controller/application.rb'],
        removed: [],
      },
    ],
    total_commits_count: 1,
    ...more,
  };
}

export function gitLabMergeRequest(attributes: Record<string, unknown>) {
  return {
    object_kind: 'merge_request',
    event_type: 'merge_request',
    user: { id: 1, name: 'Administrator', username: 'root' },
    project: { id: 1, name: 'Gitlab Test', path_with_namespace: 'gitlabhq/gitlab-test', default_branch: 'main' },
    object_attributes: {
      id: 99,
      iid: 1,
      target_branch: 'main',
      source_branch: 'ms-viewport',
      title: 'MS-Viewport',
      state: 'merged',
      action: 'merge',
      merge_commit_sha: null,
      squash_commit_sha: null,
      last_commit: { id: 'da1560886d4f094c3e6c9ef40349f7d38b5d27d7', message: 'fixed readme' },
      ...attributes,
    },
  };
}
