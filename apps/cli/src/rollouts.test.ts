import { planRollout, rolloutSettings } from '@starling/shared/rollout-plan.ts';
import { describe, expect, test } from 'vitest';
import { at, sampleBuild, sampleDeployment, sampleOverview, samplePreview } from './testing/samples.ts';
import { StubbedCli } from './testing/stubbed-cli.ts';

const stub = new StubbedCli();
const { inputOf, starling } = stub;

const plan = planRollout([rolloutSettings.parse({ waves: [{ fraction: 0.1, bakeTime: '5m' }] })], ['eu', 'us']);

describe('waves', () => {
  test('are shown before anything is done: who, in which order, how long', async () => {
    stub.server.answers['overview.get'] = () => sampleOverview();
    stub.server.answers['deployments.list'] = () => [];
    stub.server.answers['builds.versions'] = () => [sampleBuild({ current: false, lastGood: false })];
    stub.server.answers['deployments.gates'] = () => [];
    stub.server.answers['deployments.preview'] = () =>
      samplePreview({
        waves: [
          { wave: 1, who: 'group=canary', bakeMs: 600_000, regions: [{ region: 'eu', machines: 1, first: ['eu-7'] }] },
          { wave: 2, who: 'everyone', bakeMs: 0, regions: [{ region: 'us', machines: 4, first: ['us-1', 'us-2'] }] },
        ],
        atLeastMs: 600_000,
        plan: { analysis: [{ name: 'errors', when: ['before', 'bake'] }] },
      });
    const words = ['--wave', 'group=canary/10m', '--wave', '10%', '--rollout', '{"errorCap": 3}'];
    const { stdout, stderr, exitCode } = await starling('deploy', 'hello', '1a2b', '--dry-run', ...words);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain('in 2 waves, which takes 10 m at least:');
    expect(stdout).toContain('1. group=canary, then 10 m of bake time: eu 1 (eu-7)\n');
    expect(stdout).toContain('2. everyone: us 4 (us-1, us-2, …)\n');
    expect(stdout).toContain('checked before each wave: errors\n  checked while a wave bakes: errors\n');
    expect(inputOf('deployments.preview')).toMatchObject({
      rollout: { errorCap: 3, waves: [{ labels: { group: 'canary' }, bakeTime: '10m' }, { fraction: '10%' }] },
    });
  });

  test.each([
    [['--wave', '0%'], 'more than 0'],
    [['--wave', 'some'], 'expected a share'],
    [['--rollout', '{'], 'It is JSON'],
    [['--rollout', '{"waves": [{}]}'], 'needs a "fraction", "labels" or "regions"'],
  ])('%j is refused before anybody is asked', async (words, said) => {
    const { stderr, exitCode } = await starling('deploy', 'hello', '1a2b', ...words);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(said);
    expect(stub.server.calls).toEqual([]);
  });

  test.each([
    [{ pausedAt: at, pausedBy: 'starling', pauseReason: '2 of 2 failed' }, /stands .*halted .*ago: 2 of 2 failed/],
    [{ pausedAt: at, pausedBy: 'ann', pauseReason: '' }, /stands .*paused by ann/],
    [{ stopped: { by: 'bob', reason: 'errors' } }, /stands .*the line is stopped by bob: errors/],
  ])('say where and why a deployment stands still: %j', async (state, said) => {
    stub.server.answers['deployments.get'] = () => sampleDeployment({ plan, wave: 1, ...state });
    stub.server.answers['deployments.machines'] = () => [];
    const { stdout, exitCode } = await starling('deployment', '3');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('wave 1 of 2: 10 %, then 5 m of bake time');
    expect(stdout).toMatch(said);
    expect(stdout).toContain('NOT REACHED');
  });
});

describe('checks', () => {
  test('say how far they are, one line for each', async () => {
    const checks = [
      { name: 'errors', verdict: null, counted: 2, count: 5, detail: '0.004 < 0.01', lastAt: at },
      { name: 'smoke', verdict: 'FAILED', counted: 1, count: 1, detail: 'exit code 1', lastAt: at },
    ];
    stub.server.answers['deployments.get'] = () =>
      sampleDeployment({ plan, wave: 1, bakeBeganAt: at, checking: { wave: 1, stage: 'bake', checks } });
    stub.server.answers['deployments.machines'] = () => [];
    const { stdout } = await starling('deployment', '3');
    expect(stdout).toMatch(
      /checks .*errors 2 of 5 measured; 0\.004 < 0\.01 \(wave 1 bakes\)\n.*smoke FAILED; exit code 1\n/,
    );
  });

  test('are listed with what each measured', async () => {
    stub.server.answers['deployments.measurements'] = () => [
      {
        id: 2,
        wave: 1,
        stage: 'bake',
        check: 'errors',
        beganAt: at,
        endedAt: null,
        verdict: null,
        detail: '',
        task: null,
      },
      {
        id: 1,
        wave: 1,
        stage: 'before',
        check: 'smoke',
        beganAt: at,
        endedAt: at,
        verdict: 'ERROR',
        detail: 'a\u001b[2Jb',
        task: 7,
      },
    ];
    const { stdout, exitCode } = await starling('checks', '3');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/ago +1 +bake +errors +measuring/);
    expect(stdout).toMatch(/ago +1 +before +smoke +ERROR/);
    expect(stdout).not.toContain('\u001b');
  });
});

describe('pause, resume and promote', () => {
  const answer = (over: object) => sampleDeployment({ changed: true, done: true, answer: 'it is paused', ...over });

  test('say what came of it', async () => {
    stub.server.answers['deployments.pause'] = () => answer({});
    const paused = await starling('pause', '3', '--reason', 'lunch');
    expect(paused.exitCode).toBe(0);
    expect(paused.stdout).toBe('Deployment 3 of hello@1a2b3c4d5e6f: it is paused.\n');
    expect(inputOf('deployments.pause')).toEqual({ id: 3, reason: 'lunch' });
  });

  test('end with 5 when it is not as was asked', async () => {
    stub.server.answers['deployments.resume'] = () =>
      answer({ changed: false, done: false, answer: 'it is FAILED already' });
    const { stderr, exitCode } = await starling('resume', '3');
    expect(exitCode).toBe(5);
    expect(stderr).toContain('Nothing was changed at deployment 3: it is FAILED already.');
  });

  test('promote names the wave that was looked at', async () => {
    stub.server.answers['deployments.get'] = () => sampleDeployment({ plan, wave: 1 });
    stub.server.answers['deployments.promote'] = () => answer({ answer: 'wave 2 of 2 begins now' });
    expect((await starling('promote', '3')).exitCode).toBe(0);
    expect(inputOf('deployments.promote')).toEqual({ id: 3, wave: 1 });
  });
});

test('approvals says whose yes would count, and suggests to decide only where yours would', async () => {
  const row = {
    ...{ id: 3, buildId: 'hello@1a2b3c4d5e6f', requestedBy: 'you', createdAt: at, asksForApproval: true, mine: null },
    holding: [{ gate: 'approvals', detail: '0 of 1 approvals', since: at }],
    whyNotMine: 'You asked for it: somebody else has to decide.',
  };
  const frozen = { ...row, id: 4, asksForApproval: false, whyNotMine: null };
  stub.server.answers['approvals.waiting'] = () => [row, frozen];
  const own = await starling('approvals');
  expect(own.stdout).toMatch(/3 .*0 of 1 approvals .*You asked for it/);
  expect(own.stdout).not.toContain('\n         4');
  expect(own.stderr).not.toContain('starling approve');
  stub.server.answers['approvals.waiting'] = () => [row, { ...row, id: 5, whyNotMine: null }];
  const others = await starling('approvals');
  expect(others.stdout).toContain('You may decide.');
  expect(others.stderr).toContain('starling approve 5, starling reject 5');
});

test('a rollback is undone with a reason', async () => {
  stub.server.answers['deployments.undoRollback'] = () => sampleDeployment({ id: 4 });
  expect((await starling('undo-rollback', 'hello')).exitCode).toBe(2);
  const { stdout, exitCode } = await starling('undo-rollback', 'hello', '--reason', 'it was the network');
  expect(exitCode).toBe(0);
  expect(stdout).toBe('Deployment 4 puts hello@1a2b3c4d5e6f back.\n');
});

test('quarantine lists what is held, and lifts it with a reason', async () => {
  stub.server.answers['quarantines.list'] = () => [
    { buildId: 'hello@1a2b3c4d5e6f', createdAt: at, createdBy: 'ann', reason: 'eats\u001b[2Jorders' },
  ];
  const { stdout } = await starling('quarantine');
  expect(stdout).toMatch(/hello@1a2b3c4d5e6f +.* ago +ann +eats/);
  expect(stdout).not.toContain('\u001b');
  stub.server.answers['quarantines.lift'] = () => ({});
  expect((await starling('quarantine', 'lift', 'hello@1a2b3c4d5e6f', '--reason', 'fine')).exitCode).toBe(0);
  expect(inputOf('quarantines.lift')).toEqual({ id: 'hello@1a2b3c4d5e6f', reason: 'fine' });
});

test('the line is stopped for one project or for all, and started', async () => {
  stub.server.answers['line.stop'] = () => ({ project: null, changed: true });
  expect((await starling('stop-the-line', '--reason', 'errors')).stdout).toBe(
    'The line is stopped for all projects.\n',
  );
  stub.server.answers['line.start'] = () => ({ project: 'hello', changed: false });
  expect((await starling('start-the-line', 'hello')).stdout).toBe('The line was not stopped for hello.\n');
  expect(inputOf('line.start')).toEqual({ project: 'hello' });
  stub.server.answers['line.list'] = () => [{ project: null, stoppedAt: at, stoppedBy: 'ann', reason: 'errors' }];
  expect((await starling('start-the-line', '--list')).stdout).toMatch(/all +.* ago +ann +errors/);
});

test('diff tells commits both ways, files and bytes, and what cannot be told', async () => {
  const commit = { sha: 'abcdef0123456789', author: 'Ann', subject: 'Count\u001b[2J', committedAt: at };
  const tree = {
    files: [
      { path: 'bin/till', change: 'changed', sizeBefore: 1024, sizeAfter: 2048 },
      { path: 'README', change: 'unsure', sizeBefore: 10, sizeAfter: 10 },
    ],
    counts: { added: 0, removed: 0, changed: 1, unsure: 1, same: 7 },
    bytesBefore: 1034,
    bytesAfter: 2058,
    bytesNew: 2058,
  };
  const diff = {
    from: 'hello@1a2b3c4d5e6f',
    to: 'hello@2b3c4d5e6f1a',
    added: { commits: [commit], isCut: true },
    removed: { commits: [], isCut: false },
    tree: tree as object | null,
    noTreeBecause: null as string | null,
  };
  stub.server.answers['builds.diff'] = () => diff;
  const { stdout } = await starling('diff', diff.from, '2b3c');
  expect(inputOf('builds.diff')).toEqual({ project: 'hello', from: diff.from, to: '2b3c' });
  expect(stdout).toContain('at least 1 commit more\n+ abcdef012345 Count');
  expect(stdout).toContain('0 added, 0 removed, 1 changed, 1 perhaps changed (?), 7 the same');
  expect(stdout).toContain('~ bin/till (1.0 KiB → 2.0 KiB)\n? README (10 B)\n');
  expect(stdout).not.toContain('\u001b');
  expect(stdout).not.toContain('less');
  Object.assign(diff, { tree: null, noTreeBecause: 'its bytes are gone' });
  expect((await starling('diff', diff.from, diff.to)).stdout).toContain('its files cannot be told: its bytes are gone');
  expect((await starling('diff', 'hello', '2b3c')).exitCode).toBe(2);
});
