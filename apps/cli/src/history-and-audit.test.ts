import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type AuditLink, hashOfLink } from '@starling/shared/audit-chain.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTime } from './options.ts';
import { runCli, startCli } from './testing/run-cli.ts';
import { at, sha } from './testing/samples.ts';
import { StubbedCli } from './testing/stubbed-cli.ts';

const stub = new StubbedCli();
const { starling } = stub;

const main = fileURLToPath(new URL('main.ts', import.meta.url));

const row = {
  id: 7,
  project: 'hello',
  buildId: 'hello@1a2b3c4d5e6f',
  previousBuildId: null,
  kind: 'ROLLBACK',
  status: 'SUCCEEDED',
  requestedBy: 'ann',
  reason: 'errors',
  outcome: '12 machines run it',
  hotfix: false,
  createdAt: at,
  startedAt: at,
  finishedAt: at,
  commitSha: sha,
  commitSubject: 'Say hello',
  commitAuthor: 'Ann',
  tookMs: 61_000,
};

describe('history', () => {
  test('asks for what was asked, and says how to go on', async () => {
    stub.server.answers['history.list'] = () => [row];
    const run = await starling(
      ...['history', '--project', 'hello', '--build', '1a2b3c', '--person', 'ann', '--kind', 'rollback'],
      ...[
        '--status',
        'succeeded',
        '--from',
        '2026-01-01',
        '--to',
        '2026-01-31T08:00Z',
        '--before',
        '9',
        '--limit',
        '1',
      ],
    );
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toContain('errors · 12 machines run it');
    expect(run.stdout).toContain('1 m 1 s');
    expect(run.stderr).toContain('--before 7');
    expect(stub.server.calls[0]?.input).toEqual({
      project: 'hello',
      build: '1a2b3c',
      person: 'ann',
      kind: 'ROLLBACK',
      status: 'SUCCEEDED',
      from: '2026-01-01T00:00:00.000Z',
      to: '2026-01-31T08:00:00.000Z',
      before: 9,
      limit: 1,
    });
    expect(JSON.parse((await starling('history', '--json')).stdout)).toMatchObject([{ id: 7, tookMs: 61_000 }]);
  });

  test.each([
    ['--from', 'yesterday'],
    ['--from', '2026-13-01'],
    ['--to', '2026-01-31T08:00'],
    ['--kind', 'forward'],
    ['--status', 'done'],
    ['--before', '0'],
  ])('refuses %s %s before a server is asked', async (option, value) => {
    const run = await starling('history', option, value);
    expect(run.exitCode).toBe(2);
    expect(stub.server.calls).toEqual([]);
  });

  test('a time is a day, a moment or so long ago', () => {
    const now = Date.parse('2026-01-31T08:00:00Z');
    expect(parseTime('7d')(now)).toBe('2026-01-24T08:00:00.000Z');
    expect(parseTime('2026-01-31')(now)).toBe('2026-01-31T00:00:00.000Z');
    expect(parseTime('2026-01-31T08:00+02:00')(now)).toBe('2026-01-31T06:00:00.000Z');
  });
});

test('trends are told in words and with units', async () => {
  stub.server.answers['history.trends'] = () => ({
    from: '2026-01-12T00:00:00.000Z',
    to: '2026-01-14T00:00:00.000Z',
    buckets: [
      {
        start: '2026-01-12T00:00:00.000Z',
        succeeded: 3,
        failed: 1,
        rolledBack: 1,
        leadTimeMedianMs: 7_500_000,
        builds: 9,
        failedBuilds: 2,
      },
      {
        start: '2026-01-13T00:00:00.000Z',
        succeeded: 0,
        failed: 0,
        rolledBack: 0,
        leadTimeMedianMs: null,
        builds: 0,
        failedBuilds: 0,
      },
    ],
    totals: {
      succeeded: 3,
      failed: 1,
      rolledBack: 1,
      aborted: 2,
      perDay: 1.5,
      successRate: 0.75,
      changes: 4,
      changeFailureRate: 0.5,
      leadTimeMedianMs: 7_500_000,
      leadTimeP90Ms: 9_000_000,
      timeToRestoreMedianMs: null,
      timeToRestoreP90Ms: null,
      notRestored: 1,
      queueWaitMedianMs: 2_000,
      queueWaitP90Ms: 4_000,
      foretold: 2,
      foretoldRatioMedian: 1.042,
      foretoldRatioP90: 1.3,
    },
    stages: [{ stage: 'RECIPE', medianMs: 40_000, p90Ms: 61_000, times: 9 }],
  });
  const run = await starling('trends', '--project', 'hello', '--from', '2026-01-12', '--to', '2026-01-14');
  expect(run.stdout).toContain('hello, 2026-01-12 to 2026-01-14');
  for (const line of [
    /^deployments +3 succeeded, 1\.5 a day; 1 failed, 2 aborted$/m,
    /^success rate +75 %$/m,
    /^change failures +50 % of 4 changes, 1 rolled back$/m,
    /^lead time +2 h 5 m \(median\), 2 h 30 m \(90th percentile\)$/m,
    /^time to restore +–; 1 failure with no success since$/m,
    /^against forecast +1\.04 × what was foretold \(median\), 1\.30 × \(90th percentile\), of 2 deployments$/m,
    /^RECIPE +40 s +1 m 1 s +9$/m,
    /^2026-01-12 +3 +1 +1 +2 h 5 m +9 +2$/m,
    /^2026-01-13 +0 +0 +0 +0 +0$/m,
  ]) {
    expect(run.stdout).toMatch(line);
  }
  expect(stub.server.calls[0]?.input).toMatchObject({ bucket: 'day', project: 'hello' });
});

describe('audit', () => {
  test('lists what was changed, with its details on one line', async () => {
    stub.server.answers['audit.list'] = () => [
      {
        ...{ id: 3, at, actor: 'ann', action: 'deployment.start', project: 'hello', target: '7' },
        ...{ details: { build: 'hello@1', reason: 'two\nlines', hotfix: false }, requestId: null },
        ...{ previousHash: '', hash: '' },
      },
    ];
    const run = await starling('audit', '--actor', 'ann', '--action', 'deployment.start');
    expect(run.stdout).toContain('build=hello@1 reason=two lines');
    expect(stub.server.calls[0]?.input).toEqual({ actor: 'ann', action: 'deployment.start', limit: 50 });
  });

  test('verify ends with 0 when all fits and says what to keep, with 1 when it does not', async () => {
    const end = { id: 2, hash: 'b'.repeat(64) };
    stub.server.answers['audit.verify'] = () => ({ checked: 2, end, defect: null });
    const whole = await starling('audit', 'verify', '--known', `2:${'b'.repeat(64)}`);
    expect(whole).toMatchObject({ exitCode: 0, stdout: '2 rows fit, the last is row 2.\n' });
    expect(whole.stderr).toContain(`--known 2:${'b'.repeat(64)}`);
    expect(stub.server.calls[0]?.input).toEqual({ known: end });
    stub.server.answers['audit.verify'] = () => ({ checked: 1, end, defect: { id: 2, what: 'row 2 was changed' } });
    const broken = await starling('audit', 'verify', '--json');
    expect(broken.exitCode).toBe(1);
    expect(JSON.parse(broken.stdout)).toMatchObject({ defect: { id: 2 } });
    expect(broken.stderr).toContain('row 2 was changed');
  });
});

describe('an exported log', () => {
  let folder: string;
  let exporter: Server;
  let answer: (url: URL, token: string | undefined) => { status: number; body: string; breaksOff?: boolean };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-audit-'));
    exporter = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const { status, body, breaksOff } = answer(url, request.headers.authorization);
      response.writeHead(status, { 'content-type': 'application/x-ndjson' });
      if (!breaksOff) response.end(body);
      else response.write(body, () => response.destroy());
    });
    await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    exporter.close();
    await rm(folder, { recursive: true, force: true });
  });
  const address = () => `http://127.0.0.1:${(exporter.address() as AddressInfo).port}`;
  const exported = (...words: string[]) =>
    runCli(['audit', 'export', ...words], { STARLING_SERVER: address(), STARLING_TOKEN: 'stl_test' });

  function chain(count: number): AuditLink[] {
    let before = { id: 0, hash: '' };
    return Array.from({ length: count }, (_, index) => {
      const link = {
        ...{ id: before.id + 1, at, actor: 'ann', action: 'job.create', project: index % 2 ? 'hello' : 'other' },
        ...{ target: String(index), details: { n: index }, requestId: null, previousHash: before.hash },
      };
      before = { ...link, hash: hashOfLink(link) };
      return before as AuditLink;
    });
  }
  const text = (links: readonly AuditLink[]) => links.map((link) => `${JSON.stringify(link)}\n`).join('');
  async function verify(links: readonly AuditLink[] | string, ...words: string[]) {
    const file = join(folder, 'audit.ndjson');
    await writeFile(file, typeof links === 'string' ? links : text(links));
    return runCli(['audit', 'verify', '--file', file, ...words]);
  }

  test('comes to stdout as it is, with its filters asked for, and proves itself where no server is', async () => {
    const links = chain(3_000);
    answer = (url, token) => {
      expect(token).toBe('Bearer stl_test');
      expect(Object.fromEntries(url.searchParams)).toEqual({ project: 'hello', from: '2026-01-01T00:00:00.000Z' });
      return { status: 200, body: text(links) };
    };
    const run = await exported('--project', 'hello', '--from', '2026-01-01');
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toBe(text(links));
    expect(run.stderr).toContain('3000 rows');
    const cli = spawn(process.execPath, [main, 'audit', 'verify', '--file', '-'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    cli.stdin.end(run.stdout);
    expect(await readText(cli.stdout)).toBe('3000 rows fit, the last is row 3000.\n');
    expect(await verify(run.stdout)).toMatchObject({ exitCode: 0, stdout: '3000 rows fit, the last is row 3000.\n' });
  });

  test('is refused with the reason, and a server that breaks off is a failure', async () => {
    answer = () => ({ status: 403, body: '{"message":"The audit log is for administrators."}' });
    const refused = await exported();
    expect(refused).toMatchObject({ exitCode: 3, stdout: '' });
    expect(refused.stderr).toContain('for administrators');
    answer = () => ({ status: 200, body: text(chain(2)), breaksOff: true });
    const broken = await exported();
    expect(broken.exitCode).toBe(1);
    expect(broken.stderr).toContain('What was written is not all.');
  });

  test('that is read by something that has enough is no failure', async () => {
    answer = () => ({ status: 200, body: text(chain(20_000)) });
    const cli = startCli(['audit', 'export'], { STARLING_SERVER: address(), STARLING_TOKEN: 'stl_test' });
    cli.child.stdout!.once('data', () => cli.child.stdout!.destroy());
    expect((await cli.ended).exitCode).toBe(0);
  });

  test.each<[string, (links: AuditLink[]) => AuditLink[], RegExp]>([
    ['changed', (links) => links.with(2, { ...links[2]!, actor: 'eve' }), /row 3 was changed/],
    ['removed', (links) => links.toSpliced(2, 1), /row 3 is missing/],
    ['removed at the beginning', (links) => links.slice(1), /row 1 is missing/],
    ['put in', (links) => links.toSpliced(2, 0, links[1]!), /row 2 comes again/],
    ['moved', (links) => links.with(2, links[3]!).with(3, links[2]!), /row 3 is missing/],
  ])('with a row %s does not verify', async (_, tamper, complaint) => {
    const run = await verify(tamper(chain(6)));
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(complaint);
  });

  test('with its end cut off fits, unless a row beyond it was noted down', async () => {
    const links = chain(6);
    const last = links.at(-1)!;
    expect((await verify(links.slice(0, 4))).exitCode).toBe(0);
    const run = await verify(links.slice(0, 4), '--known', `6:${last.hash}`);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain('row 6 is missing');
    const forged = { ...last, actor: 'eve' };
    const other = await verify(
      [...links.slice(0, 5), { ...forged, hash: hashOfLink(forged) }],
      '--known',
      `6:${last.hash}`,
    );
    expect(other.stderr).toContain('not the one that was noted down');
  });

  test('that was filtered is checked row by row when that is said', async () => {
    const some = chain(8).filter(({ project }) => project === 'hello');
    expect((await verify(some)).exitCode).toBe(1);
    expect(await verify(some, '--partial')).toMatchObject({ exitCode: 0, stdout: '4 rows fit, the last is row 8.\n' });
    const run = await verify(some.with(1, { ...some[1]!, target: 'x' }), '--partial');
    expect(run.stderr).toContain('row 4 was changed');
  });

  test('that is none, or not there, is said so', async () => {
    expect((await verify('{"id": 1}\n')).stderr).toContain('line 1 has no at as a row has');
    expect((await verify('hello\n')).stderr).toContain('line 1 is not JSON');
    const away = await runCli(['audit', 'verify', '--file', join(folder, 'away')]);
    expect(away).toMatchObject({ exitCode: 2 });
    expect(away.stderr).toContain('cannot be read');
    expect(await readFile(join(folder, 'audit.ndjson'), 'utf8')).toBe('hello\n');
  });
});
