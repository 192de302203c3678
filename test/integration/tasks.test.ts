import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { analysis } from '@starling/server/analysis/verdict.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { signatureOf } from '@starling/server/lib/post-signed.ts';
import { startRolloutController } from '@starling/server/rollouts/controller.ts';
import { defaultPolicy } from '@starling/server/rollouts/decide.ts';
import { deploymentRows } from '@starling/server/rollouts/deployment-rows.ts';
import { afterTasks } from '@starling/server/tasks/after-tasks.ts';
import { planTasks, releaseTasks, skipTasks, tasksVerdict } from '@starling/server/tasks/phases.ts';
import { type CommandTaskOptions, startCommandTasks } from '@starling/server/tasks/run-command-tasks.ts';
import { startTaskControl, type TaskControlOptions } from '@starling/server/tasks/run-webhook-tasks.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { settingsOf, type WrittenProjectSettings } from '@starling/shared/project-settings.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import type { DeploymentKind, DeploymentStatus, TaskPhase } from '@starling/shared/words.ts';
import { asc, eq } from 'drizzle-orm';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { deploymentMachines, deployments, deploymentTasks, machines, workers } from '../../drizzle/schema/index.ts';
import { startTestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const quick = { everyMs: 30, heartbeatMs: 30, clock: systemClock, log };
type Tasks = NonNullable<WrittenProjectSettings['tasks']>;

let folder: string;
let project: string;
let count = 0;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(() => addRegions(test.database, ['eu']));
beforeEach(async () => {
  count += 1;
  project = `shop${count}`;
  folder = await mkdtemp(join(tmpdir(), 'starling-tasks-'));
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  // What one test left to be run must not be run by the next.
  await test.database.delete(deployments);
  await test.database.delete(workers);
  await rm(folder, { recursive: true });
});

async function worker(more: Partial<CommandTaskOptions> = {}) {
  const loop = await startCommandTasks({
    ...quick,
    database: test.database,
    worker: 'w1',
    labels: {},
    dataDir: folder,
    environment: { PATH: process.env.PATH! },
    graceMs: 200,
    ...more,
  });
  stops.push(() => loop.stop());
  return loop;
}
function control(more: Partial<TaskControlOptions> = {}) {
  const loop = startTaskControl({ ...quick, database: test.database, ...more });
  stops.push(() => loop.stop());
  return loop;
}

const command = (name: string, text: string, more: object = {}) => ({
  type: 'command' as const,
  name,
  command: text,
  ...more,
});

/** A deployment with these tasks; `release` lets those of a phase run. */
async function deployment(
  tasks: Tasks,
  {
    kind = 'DEPLOY',
    status = 'WAITING',
    release,
  }: { kind?: DeploymentKind; status?: DeploymentStatus; release?: TaskPhase } = {},
) {
  const { build } = await addBuild(test.database, project);
  return test.database.transaction(async (tx) => {
    const [row] = await tx
      .insert(deployments)
      .values({ project, buildId: build.buildId, kind, status, requestedBy: 'ada', reason: 'try it', salt: 's' })
      .returning();
    await planTasks(tx, { deployment: row!, settings: settingsOf({ tasks }) });
    if (release) await releaseTasks(tx, row!.id, release);
    return row!;
  });
}
const tasksOf = (id: number) =>
  test.database
    .select()
    .from(deploymentTasks)
    .where(eq(deploymentTasks.deployment, id))
    .orderBy(asc(deploymentTasks.position));
const verdictOf = (id: number, phase: TaskPhase = 'BEFORE') => tasksVerdict(test.database, id, phase);
const until = (id: number, state: string, phase: TaskPhase = 'BEFORE') =>
  vi.waitFor(async () => expect((await verdictOf(id, phase)).state).toBe(state), { timeout: 15_000, interval: 20 });

describe('the phases of a deployment', () => {
  const both = { before: [command('migrate', 'true')], after: [command('smoke', 'true')] };

  it('are planned as the settings say, and a rollback has nothing before it', async () => {
    const { id } = await deployment(both);
    expect(await verdictOf(id)).toEqual({ state: 'waiting', detail: 'task 1, "migrate", has not begun' });
    const back = await deployment(both, { kind: 'ROLLBACK' });
    expect((await verdictOf(back.id)).state).toBe('none');
    expect((await verdictOf(back.id, 'AFTER')).state).toBe('waiting');
  });

  it('releasing one twice changes nothing, and leaves the other alone', async () => {
    const { id } = await deployment(both, { release: 'BEFORE' });
    await test.database.update(deploymentTasks).set({ status: 'SUCCEEDED' }).where(eq(deploymentTasks.phase, 'BEFORE'));
    await test.database.transaction((tx) => releaseTasks(tx, id, 'BEFORE'));
    expect((await tasksOf(id)).map(({ status }) => status).toSorted()).toEqual(['SUCCEEDED', 'WAITING']);
  });
});

describe('commands', () => {
  it('run in their order with what they need to know, and leave a log', async () => {
    const { id, buildId } = await deployment(
      {
        before: [
          command('first', 'sleep 0.1; echo one >> $LOG_OF_TEST; env | grep ^STARLING_ | sort'),
          command('second', 'echo two >> $LOG_OF_TEST; echo to stderr >&2'),
        ],
      },
      { release: 'BEFORE' },
    );
    const file = join(folder, 'order');
    await worker({ environment: { PATH: process.env.PATH!, LOG_OF_TEST: file } });
    await until(id, 'succeeded');
    expect(await readFile(file, 'utf8')).toBe('one\ntwo\n');
    const [first, second] = await tasksOf(id);
    expect(first).toMatchObject({ attempts: 1, runner: 'w1', failureReason: null });
    for (const line of [
      `STARLING_BUILD=${buildId}`,
      `STARLING_DEPLOYMENT=${id}`,
      'STARLING_DEPLOYMENT_KIND=DEPLOY',
      'STARLING_PHASE=BEFORE',
      'STARLING_PREVIOUS_BUILD=',
      `STARLING_PROJECT=${project}`,
      'STARLING_REQUESTED_BY=ada',
    ]) {
      expect(first!.log.split('\n')).toContain(line);
    }
    expect(first!.log).toMatch(/^STARLING_COMMIT_SHA=[0-9a-f]{40}$/m);
    expect(second!.log).toContain('to stderr');
    expect(await verdictOf(id)).toEqual({ state: 'succeeded', detail: '2 tasks succeeded' });
  });

  it('that fail are tried again as often as they may, and then skip the rest', async () => {
    const counter = join(folder, 'count');
    const { id } = await deployment(
      {
        before: [
          // The pause before the second attempt is 5 s; below it is made to have passed.
          command('flaky', `echo x >> ${counter}; echo said something; exit 3`, { attempts: 2 }),
          command('never', `touch ${folder}/never`),
        ],
      },
      { release: 'BEFORE' },
    );
    await worker();
    await vi.waitFor(async () => {
      expect(await tasksOf(id)).toMatchObject([
        { status: 'QUEUED', attempts: 1, failureReason: 'exit code 3: said something' },
        { status: 'QUEUED' },
      ]);
    }, 10_000);
    await test.database
      .update(deploymentTasks)
      .set({ finishedAt: new Date(Date.now() - 6_000) })
      .where(eq(deploymentTasks.deployment, id));
    await until(id, 'failed');
    expect(await tasksOf(id)).toMatchObject([
      { status: 'FAILED', attempts: 2 },
      { status: 'SKIPPED', failureReason: '"flaky" failed before it' },
    ]);
    expect(await verdictOf(id)).toMatchObject({ detail: 'the task "flaky" failed: exit code 3: said something' });
    expect(await readFile(counter, 'utf8')).toBe('x\nx\n');
    expect(existsSync(join(folder, 'never'))).toBe(false);
    expect((await tasksOf(id))[0]!.log).toMatch(/attempt 1 of 2[\s\S]*attempt 2 of 2/);
  });

  it('end with their timeout, and so does all that they started', async () => {
    const { id } = await deployment(
      { before: [command('slow', `sh -c 'echo $$ > ${folder}/pid; sleep 600' & wait`, { timeout: '1s' })] },
      { release: 'BEFORE' },
    );
    await worker();
    await until(id, 'failed');
    expect((await verdictOf(id)).detail).toMatch(/it took longer than its timeout of 1\ss/);
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), 10_000);
  });

  it('keep the beginning and the end of what they say', async () => {
    const { id } = await deployment(
      { before: [command('loud', 'echo begin; yes filler | head -n 200000; echo end')] },
      { release: 'BEFORE' },
    );
    await worker();
    await until(id, 'succeeded');
    const [task] = await tasksOf(id);
    expect(task!.log.length).toBeLessThan(70_000);
    expect(task!.log).toMatch(/begin\nfiller[\s\S]*characters left out[\s\S]*filler\nend\nsucceeded\n$/);
  });

  it('stop soon after their deployment was aborted', async () => {
    const { id } = await deployment(
      { before: [command('long', `echo $$ > ${folder}/pid; exec sleep 600`)] },
      { release: 'BEFORE' },
    );
    await worker();
    await vi.waitFor(() => expect(existsSync(join(folder, 'pid'))).toBe(true), 10_000);
    await test.database.transaction(async (tx) => {
      await tx.update(deployments).set({ status: 'ABORTED' }).where(eq(deployments.id, id));
      await skipTasks(tx, id, 'aborted by ada');
    });
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), 10_000);
    expect(await tasksOf(id)).toMatchObject([{ status: 'SKIPPED', failureReason: 'aborted by ada' }]);
  });

  it('wait for a worker with their labels that is not drained', async () => {
    const { id } = await deployment(
      { before: [command('picky', 'true', { workerLabels: { os: 'linux' } })] },
      { release: 'BEFORE' },
    );
    await test.database
      .insert(workers)
      .values({ name: 'drained', labels: {}, host: 'h', version: '1', drainingSince: new Date() });
    const other = await deployment({ before: [command('any', 'true')] }, { release: 'BEFORE' });
    await worker({ worker: 'drained', labels: { os: 'linux' } });
    await worker({ worker: 'unlabelled', labels: { gpu: 'a100' } });
    await until(other.id, 'succeeded');
    expect(await tasksOf(other.id)).toMatchObject([{ runner: 'unlabelled' }]);
    expect(await verdictOf(id)).toMatchObject({ detail: 'task 1, "picky", waits for a worker' });
    await worker({ worker: 'right', labels: { os: 'linux', gpu: 'none' } });
    await until(id, 'succeeded');
    expect(await tasksOf(id)).toMatchObject([{ runner: 'right' }]);
  });

  it('are put back, attempt and all, when their worker is told to end', async () => {
    const { id } = await deployment(
      { before: [command('long', `echo x >> ${folder}/begun; [ $(wc -l < ${folder}/begun) -gt 1 ] || sleep 600`)] },
      { release: 'BEFORE' },
    );
    const first = await worker();
    await vi.waitFor(() => expect(existsSync(join(folder, 'begun'))).toBe(true), 10_000);
    await first.stop();
    expect(await tasksOf(id)).toMatchObject([{ status: 'QUEUED', attempts: 0, runner: null }]);
    await worker({ worker: 'w2' });
    await until(id, 'succeeded');
  });

  it('whose worker is killed are tried again, or fail with that reason; the next worker ends what it left running', async () => {
    const { id } = await deployment(
      { before: [command('long', `echo $$ > ${folder}/pid; exec sleep 600`)] },
      { release: 'BEFORE' },
    );
    const child = spawn(process.execPath, [fileURLToPath(new URL('../tasks/worker-process.ts', import.meta.url))], {
      env: { ...process.env, TEST_DATABASE_URL: test.url, TEST_FOLDER: folder },
      stdio: 'inherit',
    });
    await vi.waitFor(() => expect(existsSync(join(folder, 'pid'))).toBe(true), 20_000);
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    control({ staleMs: 400 });
    await until(id, 'failed');
    expect((await verdictOf(id)).detail).toBe('the task "long" failed: worker w1 stopped answering');
    expect(isRunning(pid)).toBe(true);
    await worker();
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), 10_000);
  });

  it('that nobody takes fail in the end', async () => {
    const { id } = await deployment(
      { before: [command('picky', 'true', { workerLabels: { os: 'plan9' } })] },
      { release: 'BEFORE' },
    );
    control({ maxWaitMs: 100 });
    await until(id, 'failed');
    expect((await verdictOf(id)).detail).toContain('no worker with os=plan9 took it');
  });
});

interface Seen {
  headers: IncomingHttpHeaders;
  body: string;
}
async function receiver(answer: (seen: Seen, count: number) => { status: number; text?: string } | undefined) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      seen.push({ headers: request.headers, body });
      const given = answer(seen.at(-1)!, seen.length);
      if (given) response.writeHead(given.status, { location: 'http://127.0.0.1:1/' }).end(given.text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/key-in-path`, seen };
}
const webhook = (url: string, more: object = {}) => ({ type: 'webhook' as const, name: 'tell', url, ...more });

describe('webhooks', () => {
  const secret = 'a secret of sixteen';

  it('are called with the deployment, signed; the answer is kept, the secret is not', async () => {
    const { url, seen } = await receiver(() => ({ status: 200, text: 'noted' }));
    const { id, buildId } = await deployment({ before: [webhook(url, { secret })] }, { release: 'BEFORE' });
    control();
    await until(id, 'succeeded');
    const [{ headers, body }] = seen as [Seen];
    const [task] = await tasksOf(id);
    expect(JSON.parse(body)).toMatchObject({
      event: 'deployment.task',
      delivery: `task-${task!.id}`,
      attempt: 1,
      task: 'tell',
      phase: 'BEFORE',
      deployment: { id, project, build: buildId, kind: 'DEPLOY', requestedBy: 'ada', previousBuild: null },
    });
    const seconds = Number(/^t=(\d+),/.exec(String(headers['x-starling-signature']))![1]);
    expect(headers['x-starling-signature']).toBe(signatureOf(seconds, body, secret));
    expect(headers['x-starling-delivery']).toBe(`task-${task!.id}`);
    expect(task!.log).toMatch(/POST http:\/\/127\.0\.0\.1:\d+\nanswered 200 after \d+ ms\nnoted\n/);
    expect(JSON.stringify(task!.log)).not.toContain('key-in-path');
    expect(task!.spec).not.toHaveProperty('secret');
  });

  it('are tried again with the same delivery id', async () => {
    const { url, seen } = await receiver((_, nth) => ({
      status: nth === 1 ? 503 : 204,
      text: nth === 1 ? 'busy' : '',
    }));
    const { id } = await deployment({ before: [webhook(url, { attempts: 2 })] }, { release: 'BEFORE' });
    control();
    await vi.waitFor(async () => {
      expect(await tasksOf(id)).toMatchObject([
        { status: 'QUEUED', failureReason: expect.stringMatching(/^127\.0\.0\.1:\d+ answered 503: busy$/) },
      ]);
    }, 10_000);
    await test.database.update(deploymentTasks).set({ finishedAt: new Date(Date.now() - 6_000) });
    await until(id, 'succeeded');
    expect(new Set(seen.map(({ headers }) => headers['x-starling-delivery'])).size).toBe(1);
    expect(seen.map(({ body }) => JSON.parse(body).attempt)).toEqual([1, 2]);
  });

  it.each([
    ['a redirect', 302, 'redirects are not followed'],
    ['a refusal', 400, 'answered 400: no'],
  ])('fail with %s', async (_, status, why) => {
    const { url } = await receiver(() => ({ status, text: 'no' }));
    const { id } = await deployment({ before: [webhook(url)] }, { release: 'BEFORE' });
    control();
    await until(id, 'failed');
    expect((await verdictOf(id)).detail).toContain(why);
  });

  it('never go to the metadata of a cloud, and are not tried again there', async () => {
    const spec = webhook('http://169.254.169.254/latest/meta-data', { attempts: 5 });
    const { id } = await deployment({ before: [spec] }, { release: 'BEFORE' });
    control();
    await until(id, 'failed');
    expect(await tasksOf(id)).toMatchObject([{ attempts: 1, failureReason: expect.stringContaining('link-local') }]);
  });

  it('are broken off when the deployment ends, whoever ended it', async () => {
    const { url, seen } = await receiver(() => undefined);
    const { id } = await deployment({ before: [webhook(url)] }, { release: 'BEFORE' });
    const loop = control();
    await vi.waitFor(() => expect(seen).toHaveLength(1), 10_000);
    await test.database.update(deployments).set({ status: 'SUPERSEDED' }).where(eq(deployments.id, id));
    await vi.waitFor(async () => {
      expect(await tasksOf(id)).toMatchObject([
        { status: 'SKIPPED', failureReason: 'the deployment ended SUPERSEDED' },
      ]);
    }, 10_000);
    // Else this would wait for the answer, for minutes.
    await loop.stop();
  });
});

describe('the end of a deployment', () => {
  const { privatePem } = generateSigningKey();

  function controller() {
    const loop = startRolloutController({
      rows: deploymentRows(test.database),
      keys: postgresVersionKeys(test.database, systemClock, log),
      signer: new Signer('version-key', privatePem),
      tasks: afterTasks(test.database),
      analysis: analysis(test.database),
      regions: ['eu'],
      policy: { ...defaultPolicy, settleMs: 0 },
      everyMs: 30,
      clock: systemClock,
      log,
    });
    stops.push(() => loop.stop());
  }
  async function confirmed(id: number) {
    const machine = { region: 'eu', labels: {}, agentVersion: '1', address: 'a', hub: 'h', connected: true };
    await test.database
      .insert(machines)
      .values({ id: 'm1', ...machine })
      .onConflictDoUpdate({ target: machines.id, set: { lastSeenAt: new Date() } });
    await test.database
      .insert(deploymentMachines)
      .values({ deployment: id, machine: 'm1', step: 'COMMITTED', detail: '', sequence: 1 });
  }
  const statusOf = async (id: number) => {
    const [row] = await test.database.select().from(deployments).where(eq(deployments.id, id));
    return { status: row!.status, outcome: row!.outcome };
  };
  const ended = (id: number, status: DeploymentStatus) =>
    vi.waitFor(async () => expect((await statusOf(id)).status).toBe(status), { timeout: 15_000, interval: 20 });

  it('waits for the tasks after it', async () => {
    const gate = join(folder, 'gate');
    const { id } = await deployment(
      { after: [command('smoke', `touch ${folder}/begun; until [ -e ${gate} ]; do sleep 0.02; done`)] },
      { status: 'RUNNING' },
    );
    await worker();
    controller();
    await confirmed(id);
    await vi.waitFor(() => expect(existsSync(join(folder, 'begun'))).toBe(true), 10_000);
    expect(await statusOf(id)).toMatchObject({ status: 'RUNNING' });
    await writeFile(gate, '');
    await ended(id, 'SUCCEEDED');
    expect(await statusOf(id)).toMatchObject({ outcome: '1 machine runs it; the task "smoke" succeeded' });
  });

  it('is FAILED when one of them fails, with its reason', async () => {
    const { id } = await deployment({ after: [command('smoke', 'echo no answer; exit 1')] }, { status: 'RUNNING' });
    await worker();
    controller();
    await confirmed(id);
    await ended(id, 'FAILED');
    expect(await statusOf(id)).toMatchObject({ outcome: 'the task "smoke" failed: exit code 1: no answer' });
  });

  it('of a rollback does not depend on them, but they run', async () => {
    const { id } = await deployment({ after: [command('smoke', 'exit 1')] }, { status: 'RUNNING', kind: 'ROLLBACK' });
    controller();
    await confirmed(id);
    await ended(id, 'SUCCEEDED');
    control();
    await worker();
    await until(id, 'failed', 'AFTER');
    expect(await statusOf(id)).toMatchObject({ status: 'SUCCEEDED', outcome: '1 machine runs it' });
  });
});

it('the API shows tasks and what they said, without secrets', async () => {
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  const api = await startTestApi(test.database);
  stops.push(() => api.stop());
  const { id } = await deployment(
    {
      before: [command('migrate', 'echo hello')],
      after: [webhook('https://hooks.example.com/services/T0/secret', { secret: 'a secret of sixteen' })],
    },
    { release: 'BEFORE' },
  );
  await worker();
  await until(id, 'succeeded');
  const viewer = api.as('viewer-token');
  const tasks = await viewer.tasks.list.query({ id });
  expect(tasks).toMatchObject([
    { name: 'migrate', phase: 'BEFORE', type: 'command', what: 'echo hello', status: 'SUCCEEDED', maxAttempts: 1 },
    { name: 'tell', phase: 'AFTER', type: 'webhook', what: 'https://hooks.example.com', status: 'WAITING' },
  ]);
  expect(JSON.stringify(tasks)).not.toMatch(/secret/);
  expect((await viewer.tasks.log.query({ id, task: tasks[0]!.id })).log).toContain('\nhello\n');
  await expect(viewer.tasks.log.query({ id, task: 999_999 })).rejects.toThrow('no task 999999');
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
