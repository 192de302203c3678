import { grantToken } from '@starling/server/accounts/tokens.ts';
import { analysis } from '@starling/server/analysis/verdict.ts';
import { startGatekeeper } from '@starling/server/gates/gatekeeper.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { startRolloutController } from '@starling/server/rollouts/controller.ts';
import { defaultPolicy } from '@starling/server/rollouts/decide.ts';
import { deploymentRows } from '@starling/server/rollouts/deployment-rows.ts';
import { afterTasks } from '@starling/server/tasks/after-tasks.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { systemClock } from '@starling/shared/clock.ts';
import type { WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import { eq, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  auditLog,
  deploymentGates,
  deploymentMachines,
  deployments,
  lineStops,
  machineProjects,
  machines,
  quarantines,
  replicas,
  versionKeys,
} from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { type PlayedFleet, type PlayedMachine, startPlayedFleet } from '../fleet/played-fleet.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

// Deployments in waves: the real API, controller and keys on a real PostgreSQL. Only the machines are played: each does what
// the key of its region tells it, and what it was ever told to run is written down.

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const { privatePem } = generateSigningKey();
const regions = ['eu', 'us'];
const played: PlayedMachine[] = regions.flatMap((region) =>
  Array.from({ length: 10 }, (_, n) => ({ id: `${region}-m${n}`, region, labels: n === 7 ? { group: 'canary' } : {} })),
);
const allRun = (build: string) =>
  vi.waitFor(() => expect(fleet.running()).toEqual(played.map(() => build)), { timeout: 15_000, interval: 20 });
const inRegion = (machines: string[], region: string) => machines.filter((machine) => machine.startsWith(region));
let api: TestApi;
let good: string;
let next: string;

beforeAll(async () => {
  await addRegions(test.database, regions);
  for (const role of ['admin', 'deployer'] as const) await grantToken(test.database, role, role, `${role}-token`);
  api = await startTestApi(test.database);
  [good, next] = [await makeBuild(), await makeBuild()];
});
afterAll(() => api.stop());

let stops: (() => Promise<void>)[] = [];
let fleet: PlayedFleet;
beforeEach(async () => {
  await test.database.delete(deploymentGates);
  for (const table of [deploymentMachines, machineProjects, machines, versionKeys, quarantines, lineStops])
    await test.database.delete(table);
  await test.database.delete(deployments);
  fleet = await startPlayedFleet({ database: test.database, project: 'shop', machines: played, keyOf });
  stops.push(() => fleet.stop());
  const first = await as('admin').deployments.deploy.mutate({ project: 'shop', build: good });
  startController();
  await becomes(first.id, { status: 'SUCCEEDED' });
  await allRun(good);
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  stops = [];
});

const as = (role: 'admin' | 'deployer') => api.as(`${role}-token`);
async function makeBuild(rollout: WrittenRolloutSettings | null = null): Promise<string> {
  const { build } = await addBuild(test.database, 'shop', { rollout });
  await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.buildId, build.buildId));
  return build.buildId;
}
const deploy = (rollout: WrittenRolloutSettings, build = next) =>
  as('admin').deployments.deploy.mutate({ project: 'shop', build, rollout });
const get = (id: number) => as('admin').deployments.get.query({ id });
const becomes = (id: number, state: object) =>
  vi.waitFor(async () => expect(await get(id)).toMatchObject(state), { timeout: 15_000, interval: 20 });
const keyOf = (region: string) => postgresVersionKeys(test.database, systemClock, log).get('shop', region);
/** Waits until the controller has looked so often again, as long as it takes. */
const passes = (more: number) => {
  const until = passed + more;
  return vi.waitFor(() => expect(passed).toBeGreaterThanOrEqual(until), { timeout: 15_000, interval: 20 });
};
const sequences = () => Promise.all(regions.map(async (region) => (await keyOf(region))?.sequence));

/** Whether the keys let machines go over to the candidate, where there is one. */
const areHeld = (held: boolean) =>
  vi.waitFor(
    async () => {
      for (const region of regions) expect((await keyOf(region))?.candidate?.held ?? false).toBe(held);
    },
    { timeout: 15_000, interval: 20 },
  );

/** No machine does or says anything until it is taken back. */
const hush = () => {
  for (const { id } of played) fleet.silent.add(id);
};

let passed = 0;
function startController() {
  const rows = deploymentRows(test.database);
  const loop = startRolloutController({
    rows: {
      ...rows,
      running: () => {
        passed += 1;
        return rows.running();
      },
    },
    keys: postgresVersionKeys(test.database, systemClock, log),
    signer: new Signer('version-key', privatePem),
    tasks: afterTasks(test.database),
    analysis: analysis(test.database),
    regions,
    policy: { ...defaultPolicy, settleMs: 0 },
    everyMs: 20,
    clock: systemClock,
    log,
  });
  stops.push(() => loop.stop());
  return loop;
}

const half: WrittenRolloutSettings = { waves: [{ fraction: 0.1 }, { fraction: 0.5 }] };

describe('waves', () => {
  it('reach a share of each region, then more, then all', async () => {
    const { id } = await deploy({ waves: [{ fraction: '10%' }, { fraction: '50%', bakeTime: '1d' }] });
    await becomes(id, { status: 'RUNNING', wave: 2, bakeBeganAt: expect.any(String) });
    const reached = fleet.told(next);
    for (const region of regions) expect(inRegion(reached, region)).toHaveLength(5);
    const [region] = (await get(id)).regions;
    expect(region).toMatchObject({ machines: 10, done: 5, inProgress: 0, notReached: 5 });
    await as('admin').deployments.promote.mutate({ id });
    await becomes(id, { status: 'SUCCEEDED', wave: 3, outcome: '20 machines run it' });
    await allRun(next);
  });

  it('are the machines that the preview named, by labels and by share', async () => {
    const rollout = { waves: [{ labels: { group: 'canary' } }, { fraction: 0.3 }, { regions: ['us'] }] };
    const preview = await as('admin').deployments.preview.query({ project: 'shop', build: next, rollout });
    expect(
      preview.waves.map(({ who, regions: added }) => [who, added.map((of) => `${of.region} ${of.machines}`)]),
    ).toEqual([
      ['group=canary', ['eu 1', 'us 1']],
      ['30 %', expect.any(Array)],
      ['everyone in us', [expect.stringMatching(/^us [67]$/)]],
      ['everyone', [expect.stringMatching(/^eu [67]$/)]],
    ]);
    expect(preview.waves[0]!.regions.flatMap(({ first }) => first)).toEqual(['eu-m7', 'us-m7']);
    fleet.sick.set(next, () => true);
    const { id } = await deploy(rollout);
    await becomes(id, { status: 'FAILED', wave: 1 });
    expect(fleet.told(next)).toEqual(['eu-m7', 'us-m7']);
  });

  it('go region by region', async () => {
    fleet.sick.set(next, ({ region }) => region === 'us');
    const { id } = await deploy({ order: 'region-by-region', waves: [{ fraction: 0.2 }] });
    await becomes(id, { status: 'FAILED', wave: 3, outcome: expect.stringMatching(/^wave 3 of 4: /) });
    const reached = fleet.told(next);
    expect(inRegion(reached, 'eu')).toHaveLength(10);
    expect(inRegion(reached, 'us')).toHaveLength(2);
  });

  it('are as the build says, with the project and the deployment over it', async () => {
    const build = await makeBuild({ waves: [{ fraction: 0.5 }], errorCap: 3 });
    const plan = async (rollout: WrittenRolloutSettings) =>
      (await as('admin').deployments.preview.query({ project: 'shop', build, rollout })).plan;
    expect(await plan({})).toMatchObject({ waves: [{ fraction: 0.5 }, { fraction: 1 }], errorCap: 3 });
    await as('admin').projects.configure.mutate({ project: 'shop', settings: { rollout: { errorCap: 7 } } });
    expect(await plan({ waves: [{ fraction: 0.1 }] })).toMatchObject({ waves: [{ fraction: 0.1 }, {}], errorCap: 7 });
    await as('admin').projects.configure.mutate({ project: 'shop', settings: {} });
  });

  it('need a machine for each label', async () => {
    await expect(deploy({ waves: [{ labels: { group: 'typo' } }] })).rejects.toThrow('is in the wave group=typo');
  });
});

describe('a bad build', () => {
  it('is caught by the canary: no other machine ever hears of it', async () => {
    fleet.sick.set(next, () => true);
    const { id } = await deploy(half);
    await becomes(id, {
      status: 'FAILED',
      wave: 1,
      outcome: 'wave 1 of 3: 2 of 2 machines that answered failed: GET / answered 500',
    });
    expect(fleet.told(next)).toHaveLength(2);
    await vi.waitFor(async () => expect((await keyOf('eu'))!.candidate).toBeNull(), 10_000);
    expect(fleet.running()).toEqual(played.map(() => good));
  });

  it('that passes the canary is caught in the second wave', async () => {
    const preview = await as('admin').deployments.preview.query({ project: 'shop', build: next, rollout: half });
    const canaries = preview.waves[0]!.regions.flatMap(({ first }) => first);
    fleet.sick.set(next, ({ id: machine }) => !canaries.includes(machine));
    const { id } = await deploy(half);
    await becomes(id, { status: 'FAILED', wave: 2, outcome: expect.stringMatching(/^wave 2 of 3: 8 of 10 /) });
    expect(fleet.told(next)).toHaveLength(10);
    await allRun(good);
  });

  it('waits for a person where it is said so, who goes on or goes back', async () => {
    fleet.sick.set(next, ({ labels }) => 'group' in labels);
    const rollout = { waves: [{ labels: { group: 'canary' } }], autoRevert: false };
    const { id } = await deploy(rollout);
    await becomes(id, {
      status: 'RUNNING',
      wave: 1,
      pausedBy: 'starling',
      pauseReason: expect.stringMatching('2 of 2'),
    });
    expect(await as('admin').deployments.promote.mutate({ id })).toMatchObject({ changed: false, done: false });
    expect(await as('admin').deployments.resume.mutate({ id, reason: 'known' })).toMatchObject({ changed: true });
    // Every other machine is well; the two that failed were accepted.
    await becomes(id, { status: 'SUCCEEDED', wave: 2 });
    const said = await test.database
      .select()
      .from(auditLog)
      .where(eq(auditLog.target, String(id)))
      .orderBy(auditLog.id);
    expect(said.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
      'admin deployment.start',
      'starling deployment.advance',
      'starling deployment.halt',
      'admin deployment.resume',
      'starling deployment.advance',
    ]);
  });
});

describe('commands', () => {
  it('pause holds the keys still, whatever machines say, and resume goes on', async () => {
    hush();
    const { id } = await deploy(half);
    await becomes(id, { wave: 1 });
    await as('admin').deployments.pause.mutate({ id, reason: 'lunch' });
    await areHeld(true);
    const [before, row] = [await sequences(), await get(id)];
    fleet.silent.clear();
    await becomes(id, { regions: [{ done: 1 }, { done: 1 }] });
    await passes(10);
    expect([await sequences(), (await get(id)).wave]).toEqual([before, 1]);
    expect(await as('admin').deployments.pause.mutate({ id })).toMatchObject({ changed: false, done: true });
    expect((await get(id)).pausedAt).toBe(row.pausedAt);
    await as('admin').deployments.resume.mutate({ id });
    await areHeld(false);
    await becomes(id, { status: 'SUCCEEDED' });
  });

  it('are answered in every state', async () => {
    const { id } = await deploy(half);
    await becomes(id, { status: 'SUCCEEDED' });
    for (const answer of [
      await as('admin').deployments.pause.mutate({ id }),
      await as('admin').deployments.resume.mutate({ id }),
      await as('admin').deployments.promote.mutate({ id }),
    ])
      expect(answer).toMatchObject({ changed: false, done: false, answer: 'it is SUCCEEDED already' });
    expect(await as('admin').deployments.abort.mutate({ id })).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('a controller that is replaced in the middle goes on where the one before was', async () => {
    const { id } = await deploy({
      waves: [
        { fraction: 0.1, bakeTime: '200ms' },
        { fraction: 0.5, bakeTime: '200ms' },
      ],
    });
    // Five in a row, each stopped at some pass or other, two at a time.
    for (let replaced = 0; replaced < 5; replaced += 1) {
      const [old, other] = [startController(), startController()];
      await Promise.all([old.stop(), other.stop()]);
    }
    startController();
    await becomes(id, { status: 'SUCCEEDED', wave: 3 });
    const advances = await test.database
      .select({ details: auditLog.details })
      .from(auditLog)
      .where(sql`${auditLog.target} = ${String(id)} and ${auditLog.action} = 'deployment.advance'`)
      .orderBy(auditLog.id);
    expect(advances.map(({ details }) => (details as { wave: number }).wave)).toEqual([1, 2, 3]);
  });
});

describe('a rollback', () => {
  it('skips the waves, quarantines what it left, and is undone in one step', async () => {
    const { id } = await deploy({});
    await becomes(id, { status: 'SUCCEEDED' });
    const back = await as('admin').deployments.rollback.mutate({ project: 'shop', reason: 'it eats orders' });
    expect(back).toMatchObject({ kind: 'ROLLBACK', buildId: good, status: 'RUNNING', plan: null, reach: null });
    await becomes(back.id, { status: 'SUCCEEDED' });
    await vi.waitFor(async () => {
      for (const region of regions) expect((await keyOf(region))!.quarantined).toEqual([next]);
    }, 10_000);
    await expect(deploy({})).rejects.toThrow(`${next} is in quarantine: it eats orders (admin).`);
    expect(await as('admin').builds.versions.query({ project: 'shop' })).toContainEqual(
      expect.objectContaining({ id: next, quarantined: 'it eats orders', lastGood: false }),
    );
    const undone = await as('admin').deployments.undoRollback.mutate({ project: 'shop', reason: 'it was the network' });
    expect(undone).toMatchObject({ kind: 'ROLL_FORWARD', buildId: next });
    await becomes(undone.id, { status: 'SUCCEEDED' });
    await vi.waitFor(async () => expect((await keyOf('eu'))!.quarantined).toEqual([]), 10_000);
    await expect(
      as('admin').deployments.undoRollback.mutate({ project: 'shop', reason: 'again' }),
      'it is no rollback any more',
    ).rejects.toThrow('is no rollback');
  });

  it('takes the place of a rollout in the middle of its waves', async () => {
    const { id } = await deploy({ waves: [{ fraction: 0.3, bakeTime: '1d' }] });
    await becomes(id, { wave: 1, bakeBeganAt: expect.any(String) });
    expect(fleet.running().filter((build) => build === next)).toHaveLength(6);
    const back = await as('admin').deployments.rollback.mutate({ project: 'shop' });
    expect(back).toMatchObject({ buildId: good, previousBuildId: next });
    await becomes(back.id, { status: 'SUCCEEDED' });
    await allRun(good);
    expect((await get(id)).status).toBe('SUPERSEDED');
    expect(fleet.told(next)).toHaveLength(6);
  });

  it('from a build that was taken back by itself names that one as the bad one', async () => {
    fleet.sick.set(next, () => true);
    const { id } = await deploy(half);
    await becomes(id, { status: 'FAILED' });
    const back = await as('admin').deployments.rollback.mutate({ project: 'shop', reason: 'leave it' });
    expect(back).toMatchObject({ kind: 'ROLLBACK', buildId: good });
    expect(await as('admin').quarantines.list.query()).toMatchObject([{ buildId: next, deployment: back.id }]);
    await becomes(back.id, { status: 'SUCCEEDED' });
  });

  it('that is called off takes its quarantine with it', async () => {
    const { id } = await deploy({});
    await becomes(id, { status: 'SUCCEEDED' });
    hush();
    const back = await as('admin').deployments.rollback.mutate({ project: 'shop' });
    await as('admin').deployments.abort.mutate({ id: back.id });
    expect(await as('admin').quarantines.list.query()).toEqual([]);
    await vi.waitFor(async () => expect((await keyOf('eu'))!.stable!.build).toBe(next), 10_000);
  });
});

describe('a stopped line', () => {
  it('holds what runs where it is and lets nothing begin, until it is started', async () => {
    hush();
    const { id } = await deploy(half);
    await becomes(id, { wave: 1 });
    expect(await as('deployer').line.stop.mutate({ reason: 'errors at the till' })).toMatchObject({ changed: true });
    expect(await as('deployer').line.stop.mutate({ reason: 'again' })).toMatchObject({ changed: false });
    await areHeld(true);
    const before = await sequences();
    fleet.silent.clear();
    await becomes(id, {
      stopped: { by: 'deployer', reason: 'errors at the till' },
      regions: [{ done: 1 }, { done: 1 }],
    });
    await passes(10);
    expect([await sequences(), (await get(id)).wave]).toEqual([before, 1]);
    await as('deployer').line.start.mutate({});
    await becomes(id, { status: 'SUCCEEDED' });
  });

  it('lets rollbacks pass, and hotfixes of those who may', async () => {
    await as('admin').line.stop.mutate({ project: 'shop', reason: 'errors at the till' });
    const waits = await deploy({});
    expect(waits.status).toBe('WAITING');
    await as('admin').deployments.abort.mutate({ id: waits.id });
    const hotfix = { project: 'shop', build: next, hotfix: true, reason: 'mends the till' };
    await expect(as('deployer').deployments.deploy.mutate(hotfix)).rejects.toThrow('"approve"');
    const fixes = await as('admin').deployments.deploy.mutate(hotfix);
    await becomes(fixes.id, { status: 'SUCCEEDED' });
    const back = await as('deployer').deployments.rollback.mutate({ project: 'shop' });
    await becomes(back.id, { status: 'SUCCEEDED', buildId: good });
    const said = await test.database
      .select()
      .from(auditLog)
      .where(eq(auditLog.target, String(fixes.id)));
    expect(said.map(({ action }) => action)).toContain('line.bypass');
  });

  it('is waited for by what was asked for meanwhile', async () => {
    await as('admin').line.stop.mutate({ reason: 'errors at the till' });
    const waits = await deploy({});
    const keeper = startGatekeeper({
      database: test.database,
      review: async () => ({ state: 'passed', detail: '' }),
      whyNot: async () => null,
      everyMs: 20,
      clock: systemClock,
      log,
    });
    stops.push(() => keeper.stop());
    await becomes(waits.id, { status: 'WAITING', gates: [{ gate: 'line', status: 'WAITING' }] });
    await as('admin').line.start.mutate({});
    await becomes(waits.id, { status: 'SUCCEEDED' });
  });
});
