import { expect, test } from 'vitest';
import { plainPaint } from '../terminal/terminal.ts';
import { at, sampleCell, sampleDeployment, sampleJob, sampleOverview } from '../testing/samples.ts';
import { changesBetween } from './overview-changes.ts';
import { describeOverview, judge, matrixRows, type Overview, problemsFirst } from './overview-view.ts';

const ink = { paint: plainPaint, unicode: true };
const nowMs = Date.parse(at) + 180_000;
const overview = (over: object = {}, project: object = {}) => sampleOverview(over, project) as unknown as Overview;
const projectOf = (project: object = {}) => overview({}, project).projects[0]!;
const other = 'hello@000000000000';

test('all is well: one line says so', () => {
  expect(judge(projectOf())).toEqual({ grade: 'good', words: 'all 8 machines run hello@1a2b3c4d5e6f' });
});

test('what is wrong comes before what is merely under way', () => {
  const failing = projectOf({ regions: [sampleCell('eu', { upToDate: 3, failed: 1 }), sampleCell('us')] });
  expect(judge(failing)).toEqual({ grade: 'bad', words: '1 machine failed, 7 of 8 machines run hello@1a2b3c4d5e6f' });
  const running = projectOf({
    name: 'busy',
    lastDeployment: sampleDeployment(),
    regions: [sampleCell('eu', { upToDate: 1 })],
  });
  expect(judge(running).grade).toBe('busy');
  const offline = projectOf({ name: 'quiet', regions: [sampleCell('eu', { online: 3, upToDate: 3 })] });
  expect(judge(offline)).toMatchObject({ grade: 'warn', words: expect.stringContaining('1 offline') });
  const empty = projectOf({ name: 'new', lastDeployment: null, regions: [sampleCell('eu', { desiredBuild: null })] });
  expect(judge(empty).grade).toBe('waiting');
  const order = problemsFirst([projectOf({ name: 'fine' }), empty, running, offline, failing]);
  expect(order.map((project) => project.name)).toEqual(['hello', 'quiet', 'busy', 'new', 'fine']);
});

test('the matrix: a row for each version, the one that is wanted first, then what is wrong', () => {
  const regions = [
    sampleCell('eu', {
      observed: [
        { build: 'hello@1a2b3c4d5e6f', machines: 2 },
        { build: other, machines: 1 },
        { build: null, machines: 1 },
      ],
    }),
    sampleCell('us', { online: 3, failed: 1 }),
  ] as unknown as Overview['projects'][number]['regions'];
  expect(matrixRows(regions, ink)).toEqual([
    ['→ hello@1a2b3c4d5e6f', '2/4', '4/4'],
    ['  hello@000000000000', '1', '·'],
    ['  nothing of it', '1', '·'],
    ['  failed', '·', '1'],
    ['  offline', '·', '1'],
  ]);
});

test('a region whose keys cannot be read is named, with the reason', () => {
  const page = overview();
  Object.assign(page.regions[1]!, { keysError: 'etcd at us:2379 does not answer' });
  expect(describeOverview(page, ink, nowMs, undefined)).toContain(
    'keys of us out of reach: etcd at us:2379 does not answer',
  );
});

test('the whole page', () => {
  const text = describeOverview(overview(), ink, nowMs, undefined);
  expect(text).toMatchInlineSnapshot(`
    "✔ hello  all 8 machines run hello@1a2b3c4d5e6f
      deployment 3 DEPLOY of hello@1a2b3c4d5e6f ✔ SUCCEEDED 3 m ago by ann
      BUILD                eu   us
    → hello@1a2b3c4d5e6f  4/4  4/4

    machines  eu 4/4 online   us 4/4 online
    "
  `);
});

test('nothing changed is no change', () => {
  expect(changesBetween(overview(), overview({ serverTime: 'later' }))).toEqual([]);
});

test('each thing that changed is said once, with what it is now', () => {
  const job = sampleJob({ status: 'FAILED', failureReason: 'exit code\n2' });
  const after = overview(
    {
      regions: [
        { region: 'eu', machines: 4, online: 3, heardAt: at },
        { region: 'us', machines: 4, online: 4, heardAt: at },
      ],
    },
    {
      lastJob: job,
      lastDeployment: sampleDeployment({ id: 4 }),
      regions: [sampleCell('eu', { desiredBuild: other, upToDate: 0 }), sampleCell('us')],
    },
  );
  const changes = changesBetween(overview(), after);
  expect(changes.map((change) => change.text)).toEqual([
    'hello: job 12 of 1a2b3c4d5e6f FAILED: exit code 2',
    'hello: deployment 4 (DEPLOY) of hello@1a2b3c4d5e6f RUNNING',
    'hello in eu: told to run hello@000000000000',
    'hello in eu: 0 of 4 machines up to date (4 × hello@1a2b3c4d5e6f)',
    'eu: 3 of 4 machines online',
  ]);
  expect(changes[0]).toMatchObject({ kind: 'job', project: 'hello', region: null, now: job });
  expect(changes[2]).toMatchObject({ kind: 'version', region: 'eu' });
});
