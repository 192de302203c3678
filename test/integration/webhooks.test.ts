import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { signatureOf } from '@starling/server/lib/post-signed.ts';
import { webhookSecret } from '@starling/server/webhooks/secret.ts';
import {
  gitHubPing,
  gitHubPullRequest,
  gitHubPush,
  gitLabMergeRequest,
  gitLabPush,
} from '@starling/server/webhooks/testing/sample-events.ts';
import type { WrittenProjectSettings } from '@starling/shared/project-settings.ts';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditLog, jobs, projects, webhookDeliveries } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addProject, someSha } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const masterSecret = 'for the tests, thirty-two characters';
let api: TestApi;
/** Each test has a project of its own. */
let project: string;
let count = 0;

beforeAll(async () => {
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  api = await startTestApi(test.database, { webhookSecret: masterSecret });
});
afterAll(() => api.stop());
beforeEach(async () => {
  count += 1;
  project = `shop${count}`;
  await addProject(test.database, project);
  await configure({
    triggers: [
      { on: 'push', branches: ['main', 'release/*'] },
      { on: 'merge', branches: ['main'] },
    ],
  });
});

const configure = (settings: WrittenProjectSettings) =>
  test.database.update(projects).set({ settings }).where(eq(projects.name, project));
const secretOf = (name = project, generation = 1) => webhookSecret(masterSecret, name, generation);
const jobsOf = (name = project) => test.database.select().from(jobs).where(eq(jobs.project, name)).orderBy(jobs.id);

async function post(path: string, headers: Record<string, string>, body: string | Buffer) {
  const response = await fetch(`${api.url}/webhooks/${path}`, {
    method: 'POST',
    headers,
    body: new Uint8Array(Buffer.from(body)),
  });
  const text = await response.text();
  return { status: response.status, text, ...(text.startsWith('{') ? (JSON.parse(text) as Answer) : {}) };
}
interface Answer {
  message?: string;
  jobs?: number[];
  repeated?: boolean;
}
const sha256 = (secret: string, body: string) => createHmac('sha256', secret).update(body).digest('hex');
const fromGitHub = (event: string, payload: unknown, { to = project, secret = secretOf(to), id = '1' } = {}) => {
  const body = JSON.stringify(payload);
  const headers = {
    'content-type': 'application/json',
    'x-github-event': event,
    'x-github-delivery': id,
    'x-hub-signature-256': `sha256=${sha256(secret, body)}`,
  };
  return post(`github/${to}`, headers, body);
};
const fromGitLab = (payload: unknown, id: string) =>
  post(`gitlab/${project}`, { 'x-gitlab-token': secretOf(), 'idempotency-key': id }, JSON.stringify(payload));

describe('a push event of GitHub', () => {
  it('queues its head commit, as it is named, and audits it', async () => {
    const sha = someSha();
    const answer = await fromGitHub('push', gitHubPush(sha));
    const [job, ...more] = await jobsOf();
    expect(more).toEqual([]);
    expect(answer).toMatchObject({
      status: 200,
      message: `job ${job?.id} builds main at ${sha.slice(0, 12)}`,
      jobs: [job?.id],
      repeated: false,
    });
    expect(job).toMatchObject({
      commitSha: sha,
      requestedRef: 'main',
      requestedBy: 'webhook:github (Codertocat)',
      status: 'QUEUED',
    });
    const audited = await test.database
      .select()
      .from(auditLog)
      .where(and(eq(auditLog.project, project), eq(auditLog.actor, 'webhook:github')));
    expect(audited).toMatchObject([{ action: 'job.create', target: String(job?.id) }]);
  });

  it('changes nothing when it comes again, under its id or another', async () => {
    const event = gitHubPush(someSha());
    const first = await fromGitHub('push', event);
    await test.database.update(jobs).set({ status: 'FAILED' }).where(eq(jobs.project, project));
    for (const id of ['1', '2']) {
      expect(await fromGitHub('push', event, { id })).toMatchObject({
        status: 200,
        message: first.message,
        jobs: first.jobs,
        repeated: true,
      });
    }
    expect(await jobsOf()).toHaveLength(1);
  });

  it('comes as a form, too', async () => {
    const sha = someSha();
    const body = new URLSearchParams({ payload: JSON.stringify(gitHubPush(sha)) }).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-github-event': 'push',
      'x-hub-signature-256': `sha256=${sha256(secretOf(), body)}`,
    };
    expect(await post(`github/${project}`, headers, body)).toMatchObject({ status: 200 });
    expect(await jobsOf()).toMatchObject([{ commitSha: sha }]);
  });

  it('starts nothing that no rule asks for, and says so', async () => {
    const answer = await fromGitHub('push', gitHubPush(someSha(), { ref: 'refs/heads/topic' }));
    expect(answer).toMatchObject({ status: 200, message: 'no rule for pushes to topic', jobs: [] });
    expect(await fromGitHub('ping', gitHubPing)).toMatchObject({
      status: 200,
      message: 'a ping: the webhook is set up',
    });
    expect(await jobsOf()).toEqual([]);
  });

  it('and the merge that made it are one job', async () => {
    const sha = someSha();
    const merged = await fromGitHub('pull_request', gitHubPullRequest(sha));
    const pushed = await fromGitHub('push', gitHubPush(sha));
    expect(await jobsOf()).toMatchObject([{ commitSha: sha, requestedBy: 'webhook:github (reviewer)' }]);
    expect(pushed).toMatchObject({ jobs: merged.jobs, message: expect.stringContaining('already'), repeated: false });
  });

  it('fifty at once are one job a commit, and each delivery counts once', async () => {
    const shas = Array.from({ length: 5 }, someSha);
    // Five events for each commit, each sent twice.
    const events = shas.flatMap((sha) =>
      Array.from({ length: 5 }, (_, n) => gitHubPush(sha, { repository: { pushed_at: n } })),
    );
    const answers = await Promise.all([...events, ...events].map((event) => fromGitHub('push', event)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.filter(({ repeated }) => repeated)).toHaveLength(25);
    const queued = await jobsOf();
    expect(queued.map(({ commitSha }) => commitSha).toSorted()).toEqual(shas.toSorted());
    const recorded = await test.database
      .select()
      .from(webhookDeliveries)
      .where(eq(webhookDeliveries.source, `github/${project}`));
    expect(recorded).toHaveLength(25);
    expect(recorded.every(({ jobs: started }) => started.length === 1)).toBe(true);
  });
});

describe('events of GitLab', () => {
  it('a push and a merge request', async () => {
    const [pushed, merged] = [someSha(), someSha()];
    expect(await fromGitLab(gitLabPush(pushed), 'a')).toMatchObject({ status: 200, repeated: false });
    expect(await fromGitLab(gitLabPush(pushed), 'a')).toMatchObject({ status: 200, repeated: true });
    expect(await fromGitLab(gitLabMergeRequest({ merge_commit_sha: merged }), 'b')).toMatchObject({ status: 200 });
    expect(await jobsOf()).toMatchObject([
      { commitSha: pushed, requestedBy: 'webhook:gitlab (jsmith)' },
      { commitSha: merged, requestedRef: 'main', requestedBy: 'webhook:gitlab (root)' },
    ]);
  });
});

describe('who does not have the secret', () => {
  it('learns nothing, not even whether the project is there', async () => {
    const event = gitHubPush(someSha());
    const wrong = await fromGitHub('push', event, { secret: 'a guess' });
    expect(wrong.status).toBe(401);
    expect(await fromGitHub('push', event, { to: 'nowhere', secret: 'a guess' })).toEqual(wrong);
    expect(await fromGitHub('push', event, { to: 'nowhere' })).toEqual(wrong);
    expect(await fromGitHub('push', event, { to: 'No%20Name' })).toEqual(wrong);
    expect(await fromGitHub('push', event, { secret: secretOf('another') })).toEqual(wrong);
    expect(await jobsOf()).toEqual([]);
  });

  it('may not send much either', async () => {
    const body = 'x'.repeat(5 * 1024 * 1024 + 1);
    expect((await post(`git/${project}`, { 'x-starling-signature': 't=1,sha256=0' }, body)).status).toBe(413);
  });
});

it('says what is wrong with an event that is signed rightly', async () => {
  expect(await fromGitHub('push', { hello: 1 })).toMatchObject({
    status: 400,
    message: expect.stringContaining('ref'),
  });
  const time = Math.floor(Date.now() / 1_000);
  const sign = (body: string, at = time) => ({ 'x-starling-signature': signatureOf(at, body, secretOf()) });
  expect(await post(`git/${project}`, sign('hello'), 'hello')).toMatchObject({
    status: 400,
    text: 'Starling: this is no line of a post-receive hook: hello\n',
  });
  expect((await post(`git/${project}`, sign('hello', time - 301), 'hello')).status).toBe(401);
});

describe("a project's secret", () => {
  it('is shown to administrators, audited, and worthless once rotated', async () => {
    const admin = api.as('admin-token');
    const shown = await admin.webhooks.secret.mutate({ project });
    expect(shown).toEqual({
      project,
      secret: secretOf(),
      generation: 1,
      addresses: {
        github: `/webhooks/github/${project}`,
        gitlab: `/webhooks/gitlab/${project}`,
        git: `/webhooks/git/${project}`,
      },
    });
    await expect(api.as('viewer-token').webhooks.secret.mutate({ project })).rejects.toThrow('administer');
    const rotated = await admin.webhooks.secret.mutate({ project, rotate: true });
    expect(rotated).toMatchObject({ secret: secretOf(project, 2), generation: 2 });
    expect((await fromGitHub('ping', gitHubPing)).status).toBe(401);
    expect((await fromGitHub('ping', gitHubPing, { secret: rotated.secret })).status).toBe(200);
    // The rest of the settings is as it was.
    expect((await fromGitHub('push', gitHubPush(someSha()), { secret: rotated.secret })).jobs).toHaveLength(1);
    // Nor does the old one come back with settings that do not speak of it.
    await admin.projects.configure.mutate({ project, settings: { retention: { keepBuilds: 7 } } });
    expect((await fromGitHub('ping', gitHubPing)).status).toBe(401);
    expect(await admin.projects.settings.query({ project })).toMatchObject({
      settings: { webhooks: { generation: 2 }, retention: { keepBuilds: 7 } },
    });
    const audited = await test.database
      .select()
      .from(auditLog)
      .where(eq(auditLog.project, project))
      .orderBy(auditLog.id);
    expect(audited.map(({ action }) => action)).toEqual([
      'webhook.show',
      'webhook.rotate',
      'job.create',
      'project.configure',
    ]);
    expect(JSON.stringify(audited)).not.toContain('whsec_');
  });

  it('is not to be had where there is no master secret, and nothing is accepted', async () => {
    const without = await startTestApi(test.database);
    try {
      await expect(without.as('admin-token').webhooks.secret.mutate({ project })).rejects.toThrow(
        'accepts no webhooks',
      );
      const answer = await fetch(`${without.url}/webhooks/github/${project}`, { method: 'POST', body: '{}' });
      expect(answer.status).toBe(401);
    } finally {
      await without.stop();
    }
  });
});

it('lists what came, newest first', async () => {
  await fromGitHub('ping', gitHubPing);
  await fromGitHub('push', gitHubPush(someSha()));
  const deliveries = await api.as('viewer-token').webhooks.deliveries.query({ project });
  expect(deliveries.map(({ source, event, jobs: started }) => [source, event, started.length])).toEqual([
    ['github', 'push', 1],
    ['github', 'ping', 0],
  ]);
  const older = await api.as('viewer-token').webhooks.deliveries.query({ project, before: deliveries[0]!.receivedAt });
  expect(older.map(({ event }) => event)).toEqual(['ping']);
});

describe('the hook for plain git of the documentation', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-hook-'));
  });
  const run = promisify(execFile);
  const git = async (...args: string[]) => {
    const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', '-c', 'init.defaultBranch=main'];
    const { stdout, stderr } = await run('git', [...identity, ...args], {
      cwd: folder,
      env: { ...process.env, GL_USERNAME: 'ada', GIT_CONFIG_GLOBAL: '/dev/null' },
    });
    return { stdout: stdout.trim(), stderr };
  };

  it('builds what is pushed, tells who pushed, and never refuses a push', async () => {
    try {
      const guide = await readFile(new URL('../../docs/how-to/webhooks.md', import.meta.url), 'utf8');
      const script = /```sh\n(#!\/bin\/sh\n[\s\S]*?)```/.exec(guide)![1]!;
      const secretFile = join(folder, 'secret');
      const hook = script
        .replace(/^url=.*$/m, `url=${api.url}/webhooks/git/${project}`)
        .replace(/^secret_file=.*$/m, `secret_file=${secretFile}`);
      await writeFile(secretFile, `${secretOf()}\n`);
      await configure({ triggers: [{ on: 'push', branches: ['main', 'release/*'], paths: ['src'] }] });
      await git('init', '--quiet', '--bare', 'bare.git');
      await writeFile(join(folder, 'bare.git/hooks/post-receive'), hook);
      await chmod(join(folder, 'bare.git/hooks/post-receive'), 0o755);
      await git('init', '--quiet', 'work');
      const inWork = (...args: string[]) => git('-C', 'work', ...args);
      const push = async (...what: string[]) => (await inWork('push', '--quiet', '../bare.git', ...what)).stderr;
      const commit = async (message: string) => {
        await inWork('add', '.');
        await inWork('commit', '--quiet', '--allow-empty', '-m', message);
        return (await inWork('rev-parse', 'HEAD')).stdout;
      };

      const first = await commit('first');
      expect(await push('HEAD:main', 'HEAD:refs/tags/v1')).toMatch(
        /remote: Starling: job \d+ builds main at [0-9a-f]{12}; refs\/tags\/v1 is no branch/,
      );
      await writeFile(join(folder, 'work/README.md'), 'hello');
      await commit('only the README');
      expect(await push('HEAD:main')).toContain('no file changed that the rules for pushes to main name');
      await run('mkdir', [join(folder, 'work/src')]);
      await writeFile(join(folder, 'work/src/a b é.ts'), '1');
      const third = await commit('the source');
      expect(await push('HEAD:main')).toContain(`builds main at ${third.slice(0, 12)}`);
      await inWork('reset', '--quiet', '--hard', 'HEAD~2');
      await run('mkdir', ['-p', join(folder, 'work/src')]);
      await writeFile(join(folder, 'work/src/other.ts'), '2');
      const forced = await commit('another way');
      expect(await push('--force', 'HEAD:main')).toContain(`builds main at ${forced.slice(0, 12)}`);
      expect(await push('HEAD:release/1')).toContain(`has release/1 at ${forced.slice(0, 12)} already`);
      expect(await push('--delete', 'release/1')).toContain('the branch release/1 was deleted');
      expect((await jobsOf()).map(({ commitSha, requestedBy }) => [commitSha, requestedBy])).toEqual(
        [first, third, forced].map((sha) => [sha, 'webhook:git (ada)']),
      );

      await writeFile(secretFile, 'whsec_wrong');
      await commit('with a wrong secret');
      expect(await push('HEAD:main')).toContain('No webhook is accepted here with this signature.');
      expect((await inWork('ls-remote', '../bare.git', 'main')).stdout).toContain(
        (await inWork('rev-parse', 'HEAD')).stdout,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
