import { analysis } from '@starling/server/analysis/verdict.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { startRolloutController } from '@starling/server/rollouts/controller.ts';
import { defaultPolicy } from '@starling/server/rollouts/decide.ts';
import { deploymentRows } from '@starling/server/rollouts/deployment-rows.ts';
import { afterTasks } from '@starling/server/tasks/after-tasks.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { systemClock } from '@starling/shared/clock.ts';
import type { HubReport, MachineReport } from '@starling/shared/hub-protocol.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { eq } from 'drizzle-orm';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  deploymentMachines,
  deployments,
  identities,
  machineProjects,
  machines,
  versionKeys,
} from '../../drizzle/schema/index.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const { privatePem, publicPem } = generateSigningKey();
let buildA: string;
let buildB: string;

beforeAll(async () => {
  await addRegions(test.database, ['eu', 'us']);
  buildA = (await addBuild(test.database, 'shop')).build.buildId;
  buildB = (await addBuild(test.database, 'shop')).build.buildId;
});
let loops: { stop(): Promise<void> }[] = [];
beforeEach(async () => {
  for (const table of [deploymentMachines, machineProjects, machines, versionKeys, deployments])
    await test.database.delete(table);
});
afterEach(async () => {
  await Promise.all(loops.map((loop) => loop.stop()));
  loops = [];
});

const machine = (id: string, connected = true) => ({
  machine: id,
  labels: { rack: 'r1' },
  agentVersion: '1',
  address: '127.0.0.1:1',
  connected,
});
const says = (id: string, sequence: number, more: Partial<MachineReport> = {}) => ({
  machine: id,
  sequence,
  at: 0,
  project: 'shop',
  step: 'COMMITTED' as const,
  observedBuild: buildA,
  desiredBuild: buildA,
  deployment: null,
  detail: '',
  ...more,
});
const report = (region: string, more: Partial<HubReport>): HubReport => ({
  hub: `hub-${region}`,
  region,
  machines: [],
  reports: [],
  progress: [],
  ...more,
});
const fold = (region: string, more: Partial<HubReport>) => foldHubReport(test.database, report(region, more));

describe('reports of machines', () => {
  it('move a row on and never back, however often and in whatever order they come', async () => {
    await fold('eu', { machines: [machine('m1')] });
    const first = says('m1', 1, { step: 'FETCHING' });
    const second = says('m1', 2, { step: 'STAGED' });
    const third = says('m1', 3, { step: 'COMMITTED', observedBuild: buildB });
    for (const batch of [[third], [first], [second, third], [first, second]]) await fold('eu', { reports: batch });
    const [row] = await test.database.select().from(machineProjects);
    expect(row).toMatchObject({ machine: 'm1', step: 'COMMITTED', observedBuild: buildB, sequence: 3 });
  });

  it('keep how each deployment went when the machine has moved on', async () => {
    await fold('eu', {
      machines: [machine('m1')],
      reports: [
        says('m1', 1, { deployment: 7, step: 'FAILED', detail: 'health check failed' }),
        says('m1', 2, { deployment: 6 }),
      ],
    });
    const rows = await test.database.select().from(deploymentMachines).orderBy(deploymentMachines.deployment);
    expect(rows.map((row) => [row.deployment, row.step, row.detail])).toEqual([
      [6, 'COMMITTED', ''],
      [7, 'FAILED', 'health check failed'],
    ]);
  });

  it('are not lost to late progress of the same deployment', async () => {
    await fold('eu', { machines: [machine('m1')], reports: [says('m1', 4, { deployment: 7 })] });
    await fold('eu', {
      progress: [{ machine: 'm1', project: 'shop', deployment: 7, bytesDone: 5, bytesTotal: 10, bytesPerSecond: 1 }],
    });
    const [row] = await test.database.select().from(deploymentMachines);
    expect(row).toMatchObject({ step: 'COMMITTED', bytesDone: 5, bytesTotal: 10 });
  });

  it('come from the hub of their region alone: another cannot take a machine over that enrolled elsewhere', async () => {
    await test.database.insert(identities).values({ kind: 'agent', name: 'm1', region: 'eu' });
    await fold('eu', { machines: [machine('m1')], reports: [says('m1', 1)] });
    await fold('us', { machines: [machine('m1', false)], reports: [says('m1', 9, { step: 'FAILED' })] });
    expect(await test.database.select().from(machines)).toMatchObject([{ id: 'm1', region: 'eu', connected: true }]);
    expect(await test.database.select().from(machineProjects)).toMatchObject([{ step: 'COMMITTED', sequence: 1 }]);
    await test.database.update(identities).set({ region: 'us' }).where(eq(identities.name, 'm1'));
    await fold('us', { machines: [machine('m1')], reports: [says('m1', 10, { step: 'FETCHING' })] });
    expect(await test.database.select().from(machines), 'it moved').toMatchObject([{ id: 'm1', region: 'us' }]);
    await test.database.delete(identities);
  });

  it('of a machine that no hub has introduced are left out', async () => {
    await fold('eu', { machines: [machine('m1')], reports: [says('m1', 1), says('ghost', 1)] });
    expect((await test.database.select().from(machineProjects)).map((row) => row.machine)).toEqual(['m1']);
  });
});

describe('the rollout controller', () => {
  const keys = () => postgresVersionKeys(test.database, systemClock, log);
  const start = () => {
    const loop = startRolloutController({
      rows: deploymentRows(test.database),
      keys: keys(),
      signer: new Signer('version-key', privatePem),
      tasks: afterTasks(test.database),
      analysis: analysis(test.database),
      regions: ['eu', 'us'],
      policy: { ...defaultPolicy, settleMs: 0 },
      everyMs: 30,
      clock: systemClock,
      log,
    });
    loops.push(loop);
  };
  const deploy = async (buildId: string, kind: 'DEPLOY' | 'ROLLBACK' = 'DEPLOY') => {
    const [row] = await test.database
      .insert(deployments)
      .values({
        project: 'shop',
        buildId,
        kind,
        status: 'RUNNING',
        startedAt: new Date(),
        requestedBy: 'test',
        reason: '',
        salt: 's',
      })
      .returning();
    return row!.id;
  };
  const statusOf = async (id: number) =>
    (await test.database.select().from(deployments).where(eq(deployments.id, id)))[0]!;
  const keyOf = (region: string) => keys().get('shop', region);
  const whenKeys = (predicate: (key: VersionKey) => boolean) =>
    vi.waitFor(async () => {
      for (const region of ['eu', 'us'])
        expect(await keyOf(region)).toSatisfy((key) => key !== undefined && predicate(key));
    }, 10_000);

  it('writes a signed key for each region, and makes the build stable when all machines confirmed it', async () => {
    await fold('eu', { machines: [machine('m1'), machine('m2')] });
    const id = await deploy(buildA);
    start();
    await whenKeys((key) => key.candidate?.build === buildA && key.sequence === 1 && key.stable === null);
    const trusted = new TrustedKeys('version-key', [publicPem]);
    expect(trusted.refusal((await keyOf('eu'))!)).toBeUndefined();
    expect(trusted.refusal({ ...(await keyOf('eu'))!, sequence: 9 })).toBe('its signature does not match its content');

    await fold('eu', { reports: [says('m1', 1, { deployment: id })] });
    expect(await statusOf(id)).toMatchObject({ status: 'RUNNING' });
    await fold('eu', { reports: [says('m2', 1, { deployment: id })] });
    await vi.waitFor(
      async () => expect(await statusOf(id)).toMatchObject({ status: 'SUCCEEDED', outcome: '2 machines run it' }),
      10_000,
    );
    await whenKeys(
      (key) =>
        key.candidate === null && key.stable?.build === buildA && key.stable.deployment === id && key.sequence === 2,
    );
  });

  it('gives each region a secret for its swarms, which stays over the keys that follow', async () => {
    await fold('eu', { machines: [machine('m1')] });
    await deploy(buildA);
    start();
    await whenKeys((key) => key.sequence === 1);
    const secrets = async () => Promise.all(['eu', 'us'].map(async (region) => (await keyOf(region))?.swarm?.secret));
    const [eu, us] = await secrets();
    expect(Buffer.from(eu ?? '', 'base64')).toHaveLength(32);
    expect(us).not.toBe(eu);
    await test.database.update(deployments).set({ status: 'SUCCEEDED' });
    await whenKeys((key) => key.sequence === 2);
    expect(await secrets()).toEqual([eu, us]);
  });

  it('takes the candidate away when machines fail, with the reason that most of them have', async () => {
    await fold('us', { machines: [machine('m1'), machine('m2'), machine('m3')] });
    const good = await deploy(buildA);
    await test.database.update(deployments).set({ status: 'SUCCEEDED' });
    const bad = await deploy(buildB);
    start();
    await whenKeys((key) => key.candidate?.build === buildB && key.stable?.build === buildA);
    const failing = (detail: string) => ({ deployment: bad, step: 'FAILED' as const, detail });
    // What comes after the first line differs from machine to machine.
    await fold('us', {
      reports: [
        says('m1', 1, failing('GET /healthz answered 500\nThe last lines of its log:\n10:00 no database')),
        says('m2', 1, failing('A disk is full')),
        says('m3', 1, failing('GET /healthz answered 500\nThe last lines of its log:\n10:01 no database')),
      ],
    });
    await vi.waitFor(
      async () =>
        expect(await statusOf(bad)).toMatchObject({
          status: 'FAILED',
          outcome: '3 of 3 machines that answered failed: GET /healthz answered 500',
        }),
      10_000,
    );
    await whenKeys((key) => key.candidate === null && key.stable?.deployment === good);
  });

  it('writes nothing while nothing changes', async () => {
    await deploy(buildA);
    await test.database.update(deployments).set({ status: 'SUCCEEDED' });
    start();
    await whenKeys((key) => key.sequence === 1);
    const written = await test.database.select().from(versionKeys);
    // A few more passes of both this and a second controller, as after a take-over.
    start();
    const rows = deploymentRows(test.database);
    for (let pass = 0; pass < 20; pass += 1) await rows.factsByProject();
    await loops[1]!.stop();
    expect(await test.database.select().from(versionKeys)).toEqual(written);
  });
});
