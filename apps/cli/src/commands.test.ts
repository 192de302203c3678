import { describe, expect, test, vi } from 'vitest';
import { runCli, startCli } from './testing/run-cli.ts';
import {
  at,
  sampleBuild,
  sampleDeployment,
  sampleJob,
  sampleOverview,
  samplePreview,
  sampleRegion,
  sampleReplica,
} from './testing/samples.ts';
import { StubbedCli } from './testing/stubbed-cli.ts';

const stub = new StubbedCli();
const { starling } = stub;

// The real program as a child process, off a terminal, against a real server over HTTP.

describe('build', () => {
  test('without --wait it prints the job and what to do next', async () => {
    stub.server.answers['jobs.create'] = () => ({ ...sampleJob(), created: true });
    const run = await starling('build', 'hello', 'main', '--json');
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ id: 12, created: true });
    expect(run.stderr).toContain('starling logs 12 --follow');
    expect(stub.server.calls).toEqual([
      { path: 'jobs.create', input: { project: 'hello', force: false, ref: 'main' } },
    ]);
  });

  test('--wait tells each stage and region on stderr and prints the build once it can be deployed', async () => {
    let job: object = { ...sampleJob(), created: true };
    let build = sampleBuild({
      deployable: false,
      notDeployableBecause: '1 of 2 regions have it; us COPYING 50 %',
      replicas: [sampleReplica('eu'), sampleReplica('us', { status: 'COPYING', bytesDone: 512 })],
    });
    stub.server.answers['jobs.create'] = () => job;
    stub.server.answers['jobs.get'] = () => job;
    stub.server.answers['builds.get'] = () => build;
    const cli = startCli(['build', 'hello', '--wait', '--json'], { STARLING_SERVER: stub.server.url });

    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('QUEUED'), 10_000);
    const running = { status: 'RUNNING', attempts: 1, worker: 'w1' };
    job = sampleJob({ ...running, stages: [{ attempt: 1, stage: 'CHECKOUT', startedAt: at, finishedAt: null }] });
    stub.server.announce('jobs');
    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('● CHECKOUT'), 10_000);
    job = sampleJob({ status: 'SUCCEEDED', attempts: 1, worker: 'w1', buildId: 'hello@1a2b3c4d5e6f', finishedAt: at });
    stub.server.announce('jobs');
    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('us COPYING 50 %'), 10_000);
    expect(cli.soFar().stdout).toBe('');
    build = sampleBuild();
    stub.server.announce('replicas');

    const run = await cli.ended;
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ status: 'SUCCEEDED', build: { deployable: true } });
    expect(run.stderr).toContain('✔ us REPLICATED');
    expect(run.stderr).toContain('starling deploy hello hello@1a2b3c4d5e6f');
  });

  test('a failed job ends with 1, its reason and where its log is', async () => {
    const failed = sampleJob({ status: 'FAILED', attempts: 1, failureReason: 'the recipe ended with 2' });
    stub.server.answers['jobs.create'] = () => ({ ...failed, created: true });
    stub.server.answers['jobs.get'] = () => failed;
    const run = await starling('build', 'hello', '--wait');
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain('the recipe ended with 2');
    expect(run.stderr).toContain('starling logs 12');
  });

  test('a wait that takes too long ends with 6, cancels nothing and says how to go on', async () => {
    stub.server.answers['jobs.create'] = () => ({ ...sampleJob(), created: true });
    stub.server.answers['jobs.get'] = () => sampleJob();
    const run = await starling('build', 'hello', '--wait', '--timeout', '300ms');
    expect(run).toMatchObject({ exitCode: 6, stdout: '' });
    expect(run.stderr).toMatch(/It goes on\. Watch it again with: starling build hello 1a2b3c[0-9a-f]+ --wait/);
    expect(stub.server.calls.map((call) => call.path)).not.toContain('deployments.abort');
  });

  test('--follow prints the log on stderr as it is written', async () => {
    let job: object = sampleJob({ status: 'RUNNING', attempts: 1 });
    const pieces = [{ attempt: 1, sequence: 0, text: 'compiling\n' }];
    stub.server.answers['jobs.create'] = () => ({ ...job, created: true });
    stub.server.answers['jobs.get'] = () => job;
    stub.server.answers['builds.get'] = () => sampleBuild();
    stub.server.answers['jobs.readLog'] = ({ after }: { after: { sequence: number } }) => ({
      pieces: pieces.filter((piece) => piece.sequence > after.sequence),
      ended: false,
    });
    const cli = startCli(['build', 'hello', '--follow'], { STARLING_SERVER: stub.server.url });
    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('compiling'), 10_000);
    pieces.push({ attempt: 1, sequence: 1, text: 'linking\n' });
    job = sampleJob({ status: 'SUCCEEDED', attempts: 1, buildId: 'hello@1a2b3c4d5e6f' });
    stub.server.announce('jobs');
    const run = await cli.ended;
    expect(run.exitCode).toBe(0);
    expect(run.stderr.match(/compiling\nlinking\n/g)).toHaveLength(1);
    expect(run.stdout).not.toContain('linking');
  });
});

describe('deploy, rollback and abort', () => {
  test('deploy sends what was asked and prints the deployment', async () => {
    stub.server.answers['deployments.deploy'] = () => sampleDeployment();
    const run = await starling('deploy', 'hello', '1a2b3c', '--reason', 'release 7', '--replace');
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toContain('Deployment 3 puts hello@1a2b3c4d5e6f');
    expect(run.stderr).toContain('/deployments/3');
    expect(stub.server.calls).toEqual([
      {
        path: 'deployments.deploy',
        input: { project: 'hello', build: '1a2b3c', whenBusy: 'REPLACE', hotfix: false, reason: 'release 7' },
      },
    ]);
  });

  test('--wait follows the regions until the machines have confirmed it', async () => {
    let deployment = sampleDeployment();
    stub.server.answers['deployments.deploy'] = () => deployment;
    stub.server.answers['deployments.get'] = () => deployment;
    const cli = startCli(['deploy', 'hello', '1a2b3c', '--wait', '--json'], { STARLING_SERVER: stub.server.url });
    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('eu 0/4 machines, 4 in progress'), 10_000);
    const done = { done: 4, inProgress: 0 };
    deployment = sampleDeployment({
      status: 'SUCCEEDED',
      outcome: '8 machines run it',
      regions: [sampleRegion('eu', done), sampleRegion('us', done)],
    });
    stub.server.announce('machines');
    const run = await cli.ended;
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ id: 3, status: 'SUCCEEDED' });
    expect(run.stderr).toContain('✔ eu 4/4 machines');
  });

  test('a wait goes on where no stream comes through', async () => {
    stub.server.refuseStreams();
    let reads = 0;
    stub.server.answers['deployments.get'] = () => sampleDeployment({ status: ++reads < 3 ? 'RUNNING' : 'SUCCEEDED' });
    const run = await starling('deployment', '3', '--wait');
    expect(run.exitCode).toBe(0);
    expect(reads).toBe(3);
  });

  test('a failed deployment ends with 1 and what its machines said, its data on stdout', async () => {
    const failed = sampleDeployment({
      status: 'FAILED',
      outcome: '1 of 8 machines failed',
      previousBuildId: 'hello@000000000000',
      regions: [sampleRegion('eu', { done: 3, inProgress: 0, failed: 1 })],
    });
    stub.server.answers['deployments.get'] = () => failed;
    stub.server.answers['deployments.machines'] = () => [
      { machine: 'eu-1', step: 'COMMITTED', detail: '' },
      { machine: 'eu-2', step: 'FAILED', detail: 'the probe was refused\u001b[2J\nand more' },
    ];
    const run = await starling('deployment', '3', '--wait', '--json');
    expect(run.exitCode).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ status: 'FAILED' });
    expect(run.stderr).toContain('eu-2: the probe was refused\n');
    expect(run.stderr).not.toContain('eu-1:');
    expect(run.stderr).toContain('starling deployment 3');
    const calm = await starling('deployment', '3');
    expect(calm.exitCode).toBe(0);
    expect(calm.stdout).toContain('  eu-2: the probe was refused\n    and more\n');
  });

  test('Ctrl-C ends the wait with 130 and leaves the deployment alone', async () => {
    stub.server.answers['deployments.get'] = () => sampleDeployment();
    const cli = startCli(['deployment', '3', '--wait'], { STARLING_SERVER: stub.server.url });
    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('eu 0/4'), 10_000);
    cli.child.kill('SIGINT');
    const run = await cli.ended;
    expect(run.exitCode).toBe(130);
    expect(run.stderr).toContain('starling deployment 3 --wait');
    expect(new Set(stub.server.calls.map((call) => call.path))).toEqual(new Set(['deployments.get']));
  });

  test('a server that is away for a while does not end the wait', async () => {
    stub.server.answers['deployments.get'] = () => sampleDeployment();
    const cli = startCli(['deployment', '3', '--wait'], { STARLING_SERVER: stub.server.url });
    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('eu 0/4'), 10_000);
    await stub.server.stop();
    await vi.waitFor(() => expect(cli.soFar().stderr).toContain('cannot be reached'), 15_000);
    await stub.startAgain({ 'deployments.get': () => sampleDeployment({ status: 'SUCCEEDED' }) });
    expect((await cli.ended).exitCode).toBe(0);
  });

  test('--dry-run changes nothing, and ends with 5 when it would be refused', async () => {
    stub.server.answers['overview.get'] = () => sampleOverview();
    stub.server.answers['deployments.list'] = () => [];
    stub.server.answers['builds.versions'] = () => [sampleBuild({ current: false, lastGood: false })];
    stub.server.answers['deployments.gates'] = () => [];
    stub.server.answers['deployments.preview'] = () => samplePreview();
    const fine = await starling('deploy', 'hello', '1a2b', '--dry-run', '--json');
    expect(fine.exitCode).toBe(0);
    expect(JSON.parse(fine.stdout)).toMatchObject({ dryRun: true, machines: 8, refusedBecause: null });
    stub.server.answers['builds.versions'] = () => [
      sampleBuild({ deployable: false, notDeployableBecause: 'us is missing' }),
    ];
    const refused = await starling('deploy', 'hello', '1a2b', '--dry-run');
    expect(refused.exitCode).toBe(5);
    expect(refused.stderr).toContain('us is missing');
    const unknown = await starling('deploy', 'hello', 'ffff', '--dry-run');
    expect(unknown.exitCode).toBe(4);
    expect(stub.server.calls.map((call) => call.path)).not.toContain('deployments.deploy');
  });

  test('--dry-run says which gates would hold it, and is refused by one that says no', async () => {
    stub.server.answers['overview.get'] = () => sampleOverview();
    stub.server.answers['deployments.list'] = () => [];
    stub.server.answers['builds.versions'] = () => [sampleBuild({ current: false, lastGood: false })];
    const gates = [
      { gate: 'review', status: 'PASSED', detail: 'on main' },
      { gate: 'approvals', status: 'WAITING', detail: '0 of 2 approvals' },
    ];
    stub.server.answers['deployments.gates'] = () => gates;
    stub.server.answers['deployments.preview'] = () => samplePreview();
    const held = await starling('deploy', 'hello', '1a2b', '--dry-run', '--queue', '--hotfix', '--reason', 'x');
    expect(held.exitCode).toBe(0);
    expect(held.stdout).toContain('would not begin before these gates are passed');
    expect(held.stdout).toContain('approvals WAITING: 0 of 2 approvals');
    expect(stub.server.calls.find(({ path }) => path === 'deployments.gates')?.input).toEqual({
      project: 'hello',
      build: 'hello@1a2b3c4d5e6f',
      whenBusy: 'QUEUE',
      hotfix: true,
    });
    gates.push({ gate: 'freeze', status: 'REFUSED', detail: 'no' });
    const refused = await starling('deploy', 'hello', '1a2b', '--dry-run');
    expect(refused.exitCode).toBe(5);
    expect(refused.stderr).toContain('freeze: no');
  });

  test('a deployment that waits says for what, gate by gate', async () => {
    stub.server.answers['deployments.get'] = () =>
      sampleDeployment({
        status: 'WAITING',
        gates: [{ gate: 'approvals', status: 'WAITING', detail: '1 of 2 approvals by ada', changedAt: at }],
      });
    const run = await starling('deployment', '3');
    expect(run.stdout).toContain('approvals WAITING: 1 of 2 approvals by ada');
  });

  test('rollback without a build leaves the choice to the server', async () => {
    stub.server.answers['deployments.rollback'] = () => sampleDeployment({ kind: 'ROLLBACK' });
    const run = await starling('rollback', 'hello', '--reason', 'errors');
    expect(run.exitCode).toBe(0);
    expect(stub.server.calls).toEqual([
      { path: 'deployments.rollback', input: { project: 'hello', reason: 'errors' } },
    ]);
  });

  test('abort: done twice is fine, too late is a precondition', async () => {
    stub.server.answers['deployments.abort'] = () => sampleDeployment({ status: 'ABORTED' });
    expect((await starling('abort', '3')).exitCode).toBe(0);
    stub.server.answers['deployments.abort'] = () => sampleDeployment({ status: 'SUCCEEDED', finishedAt: at });
    const late = await starling('abort', '#3', '--json');
    expect(late.exitCode).toBe(5);
    expect(JSON.parse(late.stdout)).toMatchObject({ status: 'SUCCEEDED' });
  });
});

describe('looking', () => {
  test('every listing has JSON on stdout and nothing else there', async () => {
    stub.server.answers['overview.get'] = () => sampleOverview();
    stub.server.answers['builds.versions'] = () => [sampleBuild()];
    stub.server.answers['builds.list'] = () => [sampleBuild()];
    stub.server.answers['jobs.list'] = () => [sampleJob()];
    stub.server.answers['machines.list'] = () => [];
    stub.server.answers['deployments.list'] = () => [sampleDeployment()];
    stub.server.answers['projects.list'] = () => [];
    const listings = [
      ['status'],
      ['builds'],
      ['builds', 'hello'],
      ['jobs'],
      ['machines'],
      ['deployments'],
      ['project', 'list'],
    ];
    for (const words of listings) {
      const run = await starling(...words, '--json');
      expect(run.exitCode, words.join(' ')).toBe(0);
      expect(() => JSON.parse(run.stdout), words.join(' ')).not.toThrow();
    }
  });

  test('build inspect says what is new, and which build brought each pack', async () => {
    const pack = {
      digest: 'e'.repeat(64),
      patchBytes: 512,
      infoHash: 'f'.repeat(40),
      storedAt: new Date().toISOString(),
    };
    stub.server.answers['builds.inspect'] = () => ({
      id: 'hello@1a2b3c4d5e6f',
      fileCount: 3,
      manifestBytes: 900,
      streamBytes: 4096,
      chunkCount: 4,
      newBytes: 1024,
      newChunkCount: 1,
      newShare: 0.25,
      packBytes: 1536,
      patchBytes: 512,
      packs: [
        { ...pack, sizeBytes: 8192, broughtBy: 'hello@000000000000' },
        { ...pack, sizeBytes: 1536, broughtBy: null },
      ],
    });
    const run = await starling('build', 'inspect', 'hello@1a2b3c4d5e6f');
    expect(run.exitCode, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/new +25\.0 %: 1\.0 KiB, 1 chunks/);
    expect(run.stdout).toMatch(/own pack +1\.5 KiB, of which 512 B are patches/);
    expect(run.stdout).toMatch(/eeeeeeeeeeeeeeee +8\.0 KiB +512 B +hello@000000000000/);
    expect(run.stdout).toContain('a build that is gone');
    const json = await starling('build', 'inspect', 'hello@1a2b3c4d5e6f', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ newShare: 0.25 });
  });

  test('machines reads page by page up to the limit, the worst first, and asks the server to filter', async () => {
    const fleet = Array.from({ length: 1_200 }, (_unused, index) => ({
      id: `m-${String(index).padStart(4, '0')}`,
      region: 'eu',
      labels: {},
      agentVersion: '0.1.0',
      online: index >= 12,
      state: index < 12 ? 'offline' : 'done',
      lastSeenAt: at,
      projects: [],
    }));
    stub.server.answers['machines.list'] = ({
      after,
      limit,
      states,
    }: {
      after?: string;
      limit: number;
      states?: string[];
    }) =>
      fleet
        .filter(({ id, state }) => (after === undefined || id > after) && (states?.includes(state) ?? true))
        .slice(0, limit);
    stub.server.answers['machines.counts'] = () => [
      { region: 'eu', machines: 1_200, failed: 0, offline: 12, behind: 0, done: 1_188 },
    ];
    const all = await starling('machines', '--limit', '5000', '--json');
    expect((JSON.parse(all.stdout) as unknown[]).length).toBe(1_200);
    const [first, second] = stub.server.calls.map(({ input }) => input);
    expect(first).toEqual({ order: 'worst', limit: 500 });
    expect(second).toEqual({ order: 'worst', limit: 500, after: 'm-0499', afterState: 'done' });
    const some = await starling('machines', '--limit', '700');
    expect(some.stdout.trim().split('\n')).toHaveLength(701);
    expect(some.stderr).toContain('There are more: 1200 machines in all.');
    const problems = await starling('machines', '--problems', '--json');
    expect((JSON.parse(problems.stdout) as unknown[]).length).toBe(12);
    stub.server.calls.length = 0;
    const build = 'hello@1a2b3c4d5e6f';
    await starling('machines', '--find', 'rack=r7', '--build', build, '--state', 'failed', '--region', 'eu');
    expect(stub.server.calls[0]?.input).toEqual({
      order: 'worst',
      limit: 101,
      states: ['failed'],
      find: 'rack=r7',
      build,
      region: 'eu',
    });
  });

  test('status of a project that is not there ends with 4', async () => {
    stub.server.answers['overview.get'] = () => sampleOverview();
    const run = await starling('status', 'other');
    expect(run.exitCode).toBe(4);
    expect(run.stderr).toContain('Projects: hello.');
  });

  test('logs hands the log on byte for byte, piece by piece with --json', async () => {
    const pieces = [
      { attempt: 1, sequence: 0, text: 'one\n' },
      { attempt: 2, sequence: 0, text: '\u001b[31mtwo\u001b[0m\n' },
    ];
    stub.server.answers['jobs.get'] = () => sampleJob({ status: 'SUCCEEDED' });
    stub.server.answers['jobs.readLog'] = ({ after }: { after: { attempt: number } }) => ({
      pieces: after.attempt === 0 ? pieces : [],
      ended: true,
    });
    const plain = await starling('logs', '12');
    expect(plain.stdout).toBe('one\n\u001b[31mtwo\u001b[0m\n');
    expect(plain.stderr).toContain('attempt 2');
    const json = await starling('logs', '12', '--json');
    expect(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(pieces);
  });

  test('watch --json writes what is, then an object for each change', async () => {
    stub.server.answers['overview.get'] = () => sampleOverview();
    const cli = startCli(['watch', '--json'], { STARLING_SERVER: stub.server.url });
    await vi.waitFor(() => expect(cli.soFar().stdout).toContain('"snapshot"'), 10_000);
    await vi.waitFor(() => expect(stub.server.streams()).toBe(1), 10_000);
    stub.server.answers['overview.get'] = () => sampleOverview({}, { lastJob: sampleJob() });
    stub.server.announce('jobs');
    await vi.waitFor(() => expect(cli.soFar().stdout).toContain('"kind":"job"'), 10_000);
    cli.child.kill('SIGINT');
    const run = await cli.ended;
    expect(run.exitCode).toBe(130);
    const lines = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string });
    expect(lines.map((line) => line.kind)).toEqual(['snapshot', 'job']);
  });

  test('version tells its own and the reason why the server is unknown', async () => {
    const run = await runCli(['version', '--json']);
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ cli: expect.any(String), server: { problem: expect.any(String) } });
  });

  test('open prints the address and starts no browser off a terminal', async () => {
    const run = await starling('open');
    expect(run).toMatchObject({ exitCode: 0, stdout: `${stub.server.url}/\n`, stderr: '' });
  });
});
