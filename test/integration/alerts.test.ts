import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { defaultAlertLimits } from '@starling/server/alerts/conditions.ts';
import { deliverDue, mostAttempts, pauseAfter } from '@starling/server/alerts/deliver.ts';
import { raiseAlerts } from '@starling/server/alerts/raise.ts';
import { type AlertMessage, alertSender, type Send } from '@starling/server/alerts/senders.ts';
import { failAttempt } from '@starling/server/jobs/fail.ts';
import { takeJobs } from '@starling/server/jobs/take.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { signatureOf } from '@starling/server/lib/post-signed.ts';
import { type AlertKind, type AlertTarget, alertKinds } from '@starling/shared/alerts.ts';
import { TestClock } from '@starling/shared/clock.ts';
import { asc, eq, sql } from 'drizzle-orm';
import { SMTPServer } from 'smtp-server';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  alertChannels,
  alertDeliveries,
  alerts,
  deploymentGates,
  deploymentMachines,
  deployments,
  deploymentTasks,
  jobsTaken,
  jobsWaiting,
  machines,
  replicas,
} from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addJob, addProject, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const limits = { ...defaultAlertLimits, replicationLateMs: 10 * 60_000, budgetMs: 30 * 60_000 };
const raise = () => test.database.transaction((tx) => raiseAlerts(tx, limits));
const kindsOf = (rows: { kind: string }[]) => rows.map(({ kind }) => kind).toSorted();

beforeAll(async () => {
  await addRegions(test.database, ['eu', 'us']);
  await addProject(test.database, 'shop');
});
beforeEach(async () => {
  for (const table of [alerts, alertChannels, deployments, replicas, machines]) await test.database.delete(table);
  for (const table of [jobsWaiting, jobsTaken]) await test.database.delete(table);
  await test.database.execute(sql`update jobs set status = 'SUCCEEDED', finished_at = now() - interval '2 days'`);
});

async function addChannel(
  name: string,
  target: AlertTarget,
  kinds: readonly AlertKind[] = alertKinds,
  project?: string,
) {
  await test.database
    .insert(alertChannels)
    .values({ name, target, kinds: [...kinds], project: project ?? null, createdBy: 'test' });
}

async function addDeployment(values: Partial<typeof deployments.$inferInsert> = {}) {
  const { build } = await addBuild(test.database, 'shop');
  await test.database.update(replicas).set({ status: 'REPLICATED', finishedAt: sql`now()` });
  const [row] = await test.database
    .insert(deployments)
    .values({
      project: 'shop',
      buildId: build.buildId,
      kind: 'DEPLOY',
      requestedBy: 'ada',
      reason: '',
      salt: 's',
      status: 'RUNNING',
      startedAt: new Date(),
      ...values,
    })
    .returning();
  return row!;
}

async function addMachines(region: string, count: number, seen: string, connected = true) {
  await test.database.execute(sql`
    insert into machines (id, region, labels, agent_version, address, hub, connected, last_seen_at)
    select ${region}::text || '-' || ${seen}::text || '-' || n, ${region}, '{}', '1', 'a:1', 'h', ${connected}, now() - ${seen}::interval
    from generate_series(1, ${count}::int) n`);
}

describe('what is noticed', () => {
  it('says nothing while all is well', async () => {
    await addDeployment();
    await addMachines('eu', 40, '5 s');
    expect(await raise()).toEqual([]);
  });

  it('says once that a build failed, and why', async () => {
    await addJob(test.database, 'shop');
    const [attempt] = await takeJobs(test.database, 'w');
    await failAttempt(test.database, attempt!, 'make: *** [all] Error 2', false);
    expect(kindsOf(await raise())).toEqual(['build.failed']);
    expect(await raise()).toEqual([]);
    const [row] = await test.database.select().from(alerts);
    expect(row).toMatchObject({
      project: 'shop',
      text: 'make: *** [all] Error 2',
      path: `/jobs/${attempt!.jobId}`,
      clearedAt: null,
    });
  });

  it('says how a deployment ended and that one waits for approval', async () => {
    await addDeployment({ status: 'FAILED', outcome: '12 of 12 machines failed', finishedAt: new Date() });
    await addDeployment({ status: 'SUCCEEDED', outcome: '12 machines run it', finishedAt: new Date() });
    const waiting = await addDeployment({ status: 'WAITING', startedAt: null, reason: 'new prices' });
    await test.database
      .insert(deploymentGates)
      .values({ deployment: waiting.id, gate: 'approvals', status: 'WAITING', detail: '0 of 1' });
    expect(kindsOf(await raise())).toEqual(['deployment.failed', 'deployment.finished', 'deployment.waiting']);
    expect(await raise()).toEqual([]);
  });

  it('says that a replica is late, and when it is not any more', async () => {
    const { build } = await addBuild(test.database, 'shop');
    await test.database.execute(
      sql`update builds set created_at = now() - interval '11 minutes' where id = ${build.buildId}`,
    );
    expect(kindsOf(await raise())).toEqual(['replication.late']);
    expect(await raise()).toEqual([]);
    await test.database.update(replicas).set({ status: 'REPLICATED' });
    const over = await raise();
    expect(over).toMatchObject([{ kind: 'replication.late', title: `Over: ${build.buildId} is late in eu, us` }]);
    expect(await raise()).toEqual([]);
    expect(await test.database.select().from(alerts).where(sql`cleared_at is null`)).toEqual([]);
  });

  it('says it again when it happens again', async () => {
    const { build } = await addBuild(test.database, 'shop');
    await test.database.execute(
      sql`update builds set created_at = now() - interval '11 minutes' where id = ${build.buildId}`,
    );
    for (const round of [1, 2]) {
      await test.database.update(replicas).set({ status: 'FAILED', failureReason: 'disk full' });
      expect(await raise(), `round ${round}`).toHaveLength(1);
      await test.database.update(replicas).set({ status: 'REPLICATED' });
      expect(await raise(), `round ${round}`).toHaveLength(1);
    }
    expect(await test.database.select().from(alerts)).toHaveLength(4);
  });

  it('says that a deployment has stalled, until a machine says something new', async () => {
    const { id } = await addDeployment({ startedAt: new Date(Date.now() - 6 * 60_000) });
    expect(kindsOf(await raise())).toEqual(['deployment.stalled']);
    await test.database
      .insert(deploymentMachines)
      .values({ deployment: id, machine: 'm', step: 'FETCHING', detail: '', sequence: 1 });
    expect(await raise()).toMatchObject([{ title: expect.stringMatching(/^Over: /) }]);
  });

  it('says that a deployment is halted and waits for a person, who need not be told when somebody paused it', async () => {
    const { id } = await addDeployment({
      startedAt: new Date(Date.now() - 6 * 60_000),
      pausedAt: new Date(),
      pausedBy: 'ada',
    });
    expect(await raise()).toEqual([]);
    const become = (values: Partial<typeof deployments.$inferInsert>) =>
      test.database.update(deployments).set(values).where(eq(deployments.id, id));
    await become({ pausedBy: 'starling', pauseReason: 'wave 1 of 3: 2 of 2 machines that answered failed' });
    expect(kindsOf(await raise())).toEqual(['deployment.halted']);
    const [said] = await test.database.select().from(alerts);
    expect(said!.text).toBe('wave 1 of 3: 2 of 2 machines that answered failed. It waits for a person.');
    await become({ pausedAt: null, pausedBy: null, resumedAt: new Date() });
    expect(await raise()).toMatchObject([{ kind: 'deployment.halted', title: expect.stringMatching(/^Over: /) }]);
    // It goes on, bakes, and says nothing, which is as it should be.
    await become({ resumedAt: null, bakeBeganAt: new Date() });
    expect(await raise()).toEqual([]);
  });

  it('takes a deployment for stalled neither while tasks after it run, nor as they end', async () => {
    const { id } = await addDeployment({ startedAt: new Date(Date.now() - 6 * 60_000) });
    const spec = {
      name: 'smoke',
      type: 'command' as const,
      command: 'true',
      timeout: 60_000,
      attempts: 1,
      workerLabels: {},
    };
    await test.database
      .insert(deploymentTasks)
      .values({ deployment: id, phase: 'AFTER', position: 0, spec, status: 'QUEUED' });
    const become = (values: Partial<typeof deploymentTasks.$inferInsert>) =>
      test.database.update(deploymentTasks).set(values).where(eq(deploymentTasks.deployment, id));
    expect(await raise()).toEqual([]);
    await become({ status: 'RUNNING' });
    expect(await raise()).toEqual([]);
    await become({ status: 'SUCCEEDED', finishedAt: new Date() });
    expect(await raise()).toEqual([]);
    await become({ finishedAt: new Date(Date.now() - 6 * 60_000) });
    expect(kindsOf(await raise())).toEqual(['deployment.stalled']);
    // A task that waits for its turn is no sign of life.
    await become({ status: 'WAITING', finishedAt: null });
    expect(await raise()).toEqual([]);
    expect(await test.database.select().from(alerts)).toMatchObject([{ clearedAt: null }]);
  });

  it('tells a region that is silent from one of which some machines are', async () => {
    await addMachines('eu', 10, '3 minutes');
    await addMachines('us', 90, '5 s');
    await addMachines('us', 10, '4 minutes');
    const raised = await raise();
    expect(raised.map(({ title }) => title).toSorted()).toEqual([
      '10 machines of us are silent',
      'Region eu is silent',
    ]);
  });

  it.each([
    ['too few', 100, 4],
    ['too small a share', 200, 9],
  ])('says nothing of silent machines that are %s', async (_, there, away) => {
    await addMachines('us', there, '5 s');
    await addMachines('us', away, '4 minutes');
    expect(await raise()).toEqual([]);
  });

  it('says that the time from commit to machines is at risk, not counting the time a person took', async () => {
    const inTime = await addDeployment();
    await test.database.execute(
      sql`update jobs set created_at = now() - interval '3 hours', finished_at = now() - interval '3 hours'`,
    );
    await test.database.execute(sql`update builds set created_at = now() - interval '3 hours'`);
    await test.database.execute(sql`update replicas set finished_at = now() - interval '2 hours 55 minutes'`);
    expect(await raise()).toEqual([]);
    await test.database
      .insert(deploymentMachines)
      .values({ deployment: inTime.id, machine: 'm', step: 'FETCHING', detail: '', sequence: 1 });
    await test.database
      .update(deployments)
      .set({ startedAt: new Date(Date.now() - 16 * 60_000) })
      .where(eq(deployments.id, inTime.id));
    expect(kindsOf(await raise())).toEqual(['budget.at-risk']);
  });
});

describe('delivery', () => {
  const clock = new TestClock(Date.now() + 60_000);
  const log = createLogger('test', 'silent');
  const stops: (() => void)[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
  });
  const deliver = (send: Send) =>
    deliverDue(
      { database: test.database, send, publicUrl: 'https://starling.example', clock, log },
      new AbortController().signal,
    );
  const stateOf = async () => {
    const rows = await test.database.select().from(alertDeliveries).orderBy(asc(alertDeliveries.channel));
    return rows.map(({ channel, status, attempts }) => `${channel} ${status} ${attempts}`);
  };

  async function receiver(answer: () => number) {
    const got: { body: string; headers: Record<string, unknown> }[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece) => {
        body += piece;
      });
      request.on('end', () => {
        got.push({ body, headers: request.headers });
        response.writeHead(answer()).end('so it is');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => server.close());
    return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in` };
  }

  it('goes to the channels that want its kind and project, signed, with a link', async () => {
    const hook = await receiver(() => 204);
    const slack = await receiver(() => 200);
    await addChannel('hook', { type: 'webhook', url: hook.url, secret: 'sixteen characters' });
    await addChannel('slack', { type: 'slack', url: slack.url }, ['deployment.failed'], 'shop');
    await addChannel('other-kind', { type: 'slack', url: slack.url }, ['build.failed']);
    await addChannel('other-project', { type: 'slack', url: slack.url }, alertKinds, 'books');
    const { id } = await addDeployment({ status: 'FAILED', outcome: '<all> failed & burned', finishedAt: new Date() });
    await raise();
    expect(await deliver(alertSender(undefined))).toBe(2);
    expect(await stateOf()).toEqual(['hook DELIVERED 1', 'slack DELIVERED 1']);
    expect(await deliver(alertSender(undefined))).toBe(0);
    const [sent] = hook.got;
    expect(JSON.parse(sent!.body)).toMatchObject({
      kind: 'deployment.failed',
      project: 'shop',
      text: '<all> failed & burned',
      url: `https://starling.example/deployments/${id}`,
      over: false,
    });
    expect(sent!.headers['x-starling-signature']).toBe(
      signatureOf(Math.floor(clock.now() / 1_000), sent!.body, 'sixteen characters'),
    );
    const { text, blocks } = JSON.parse(slack.got[0]!.body);
    expect(text).toMatch(/^\[shop\] Deployment \d+ of shop@[0-9a-f]{12} failed$/);
    expect(blocks[0].text.text).toContain('&lt;all&gt; failed &amp; burned');
  });

  it('tries again after longer and longer pauses, and gives up where a person can see it', async () => {
    let status = 500;
    const hook = await receiver(() => status);
    await addChannel('hook', { type: 'webhook', url: hook.url });
    await addDeployment({ status: 'FAILED', finishedAt: new Date() });
    await raise();
    const send = alertSender(undefined);
    for (let attempt = 1; attempt < mostAttempts; attempt += 1) {
      expect(await deliver(send)).toBe(1);
      expect(await deliver(send), 'before its pause is over').toBe(0);
      await clock.advance(pauseAfter(attempt));
    }
    expect(await stateOf()).toEqual([`hook PENDING ${mostAttempts - 1}`]);
    await deliver(send);
    expect(await stateOf()).toEqual([`hook DEAD ${mostAttempts}`]);
    await clock.advance(24 * 3_600_000);
    expect(await deliver(send)).toBe(0);

    await grantToken(test.database, 'ada', 'admin', 'admin-token');
    const api: TestApi = await startTestApi(test.database, { clock });
    try {
      const { alerts: client } = api.as('admin-token');
      expect(await client.deliveries.query({ status: 'DEAD' })).toMatchObject([
        { channel: 'hook', attempts: mostAttempts, lastError: expect.stringContaining('answered 500: so it is') },
      ]);
      status = 200;
      expect(await client.resend.mutate({ channel: 'hook' })).toEqual({ resent: 1 });
    } finally {
      await api.stop();
    }
    await deliver(send);
    expect(await stateOf()).toEqual(['hook DELIVERED 1']);
    const ids = hook.got.map(({ headers }) => headers['x-starling-delivery']);
    expect(new Set(ids).size, 'one delivery id for every try').toBe(1);
  });

  it('sends again what was sent but not noted: at least once', async () => {
    const sent: AlertMessage[] = [];
    await addChannel('hook', { type: 'slack', url: 'http://unused.example' });
    await addDeployment({ status: 'FAILED', finishedAt: new Date() });
    await raise();
    const dying = new AbortController();
    const send: Send = async (_, message) => {
      sent.push(message);
      dying.abort();
      throw new Error('killed here');
    };
    await deliverDue({ database: test.database, send, publicUrl: undefined, clock, log }, dying.signal);
    expect(await stateOf()).toEqual(['hook PENDING 0']);
    await deliver(async (_, message) => {
      sent.push(message);
    });
    expect(sent.map(({ deliveryId }) => deliveryId)).toEqual([sent[0]!.deliveryId, sent[0]!.deliveryId]);
  });

  it('arrives as e-mail at a real mail server', async () => {
    const mails: { from: string; to: string[]; text: string }[] = [];
    let refuse = true;
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onAuth: (auth, _session, done) =>
        done(auth.password === 'open sesame' ? null : new Error('wrong password'), { user: auth.username }),
      onRcptTo: (_address, _session, done) => done(refuse ? new Error('mailbox is full') : null),
      onData: (stream, session, done) => {
        let text = '';
        stream.on('data', (piece) => {
          text += piece;
        });
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          mails.push({ from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address), text });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    stops.push(() => server.close());
    const port = (server.server.address() as AddressInfo).port;
    const mail = { url: `smtp://starling@127.0.0.1:${port}`, password: 'open sesame', from: 'starling@example.com' };
    await addChannel('mail', { type: 'email', to: ['oncall@example.com', 'lead@example.com'] });
    await addDeployment({ status: 'FAILED', outcome: 'it burned', finishedAt: new Date() });
    await raise();
    await deliver(alertSender(mail));
    expect(await stateOf()).toEqual(['mail PENDING 1']);
    const [pending] = await test.database.select().from(alertDeliveries);
    expect(pending!.lastError).toContain('mailbox is full');
    refuse = false;
    await clock.advance(pauseAfter(1));
    await deliver(alertSender(mail));
    expect(await stateOf()).toEqual(['mail DELIVERED 2']);
    expect(mails).toMatchObject([{ from: 'starling@example.com', to: ['oncall@example.com', 'lead@example.com'] }]);
    expect(mails[0]!.text).toMatch(/^Subject: \[shop\] Deployment \d+ of shop@/m);
    expect(mails[0]!.text).toContain('it burned');
  });

  it('says what is missing when there is no mail server', async () => {
    await addChannel('mail', { type: 'email', to: ['oncall@example.com'] });
    await addDeployment({ status: 'FAILED', finishedAt: new Date() });
    await raise();
    await deliver(alertSender(undefined));
    const [pending] = await test.database.select().from(alertDeliveries);
    expect(pending!.lastError).toBe('this Starling has no mail server');
  });
});

describe('channels', () => {
  let api: TestApi;
  beforeAll(async () => {
    await grantToken(test.database, 'ada', 'admin', 'admin-token');
    await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
    api = await startTestApi(test.database, { sendAlert: alertSender(undefined) });
  });
  afterAll(() => api.stop());

  it('never show their secrets again', async () => {
    const client = api.as('admin-token').alerts;
    const target = {
      type: 'webhook',
      url: 'https://hooks.example/T00/secret-path',
      secret: 'sixteen characters',
    } as const;
    await client.setChannel.mutate({ name: 'hook', target });
    const [audited] = await test.database.execute(
      sql`select details from audit_log where action = 'alert-channel.set'`,
    );
    for (const shown of [await client.channels.query(), audited]) {
      expect(JSON.stringify(shown)).toContain('hooks.example');
      expect(JSON.stringify(shown)).not.toMatch(/secret-path|sixteen characters/);
    }
  });

  it('can be tried, and say why nothing arrived', async () => {
    const client = api.as('admin-token').alerts;
    await client.setChannel.mutate({ name: 'hook', target: { type: 'slack', url: 'http://127.0.0.1:9/none' } });
    expect(await client.testChannel.mutate({ name: 'hook' })).toMatchObject({
      arrived: false,
      error: expect.stringContaining('127.0.0.1:9 could not be reached'),
    });
    await expect(client.testChannel.mutate({ name: 'none' })).rejects.toThrow('There is no channel "none".');
  });

  it.each([
    [{ type: 'webhook', url: 'ftp://files.example' }],
    [{ type: 'email', to: ['nobody'] }],
    [{ type: 'email', to: [] }],
    [{ type: 'pager', url: 'https://pager.example' }],
  ])('are refused when they make no sense: %j', async (target) => {
    await expect(
      api.as('admin-token').alerts.setChannel.mutate({ name: 'hook', target: target as AlertTarget }),
    ).rejects.toThrow(/^target/);
  });

  it('show alerts of all projects and of those one may see', async () => {
    await addMachines('eu', 10, '3 minutes');
    await addDeployment({ status: 'FAILED', finishedAt: new Date() });
    await raise();
    const seen = await api.as('viewer-token').alerts.list.query({});
    expect(kindsOf(seen)).toEqual(['deployment.failed', 'region.silent']);
    expect(kindsOf(await api.as('viewer-token').alerts.list.query({ kind: 'region.silent', open: true }))).toEqual([
      'region.silent',
    ]);
  });
});
