import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concernOf, runningNow, sortProjects, summarizeCell } from './matrix.ts';

const build = 'hello@1a2b3c4d5e6f';
const cell = (facts: Partial<Parameters<typeof summarizeCell>[0]> = {}) => ({
  desiredBuild: build,
  machines: 4,
  online: 4,
  upToDate: 4,
  failed: 0,
  ...facts,
});
const project = (name: string, facts: Partial<Parameters<typeof concernOf>[0]> = {}) => ({
  name,
  regions: [cell()],
  lastDeployment: { status: 'SUCCEEDED' },
  lastJob: { status: 'SUCCEEDED' },
  ...facts,
});

it('a deployment that halted needs a person, one that was paused should be looked at', () => {
  const of = (pausedBy: string | null) => concernOf(project('a', { lastDeployment: { status: 'RUNNING', pausedBy } }));
  expect([of(null), of('ada'), of('starling')]).toEqual([1, 2, 3]);
});

describe('summarizeCell', () => {
  it.each([
    [{}, false, 'ok', 'up to date'],
    [{ machines: 0, online: 0, upToDate: 0 }, false, 'empty', 'no machines'],
    [{ desiredBuild: null, upToDate: 0 }, false, 'empty', 'nothing deployed'],
    [{ upToDate: 1 }, true, 'updating', 'updating'],
    [{ upToDate: 1 }, false, 'behind', '3 behind'],
    [{ online: 3, upToDate: 3 }, false, 'offline', '1 offline'],
    [{ upToDate: 2, failed: 1 }, true, 'failed', '1 failed'],
  ] as const)('%j while deploying: %s is %s', (facts, isDeploying, state, text) => {
    expect(summarizeCell(cell(facts), isDeploying)).toMatchObject({ state, text });
  });

  it('counts every machine exactly once', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.nat(50), fc.nat(50), (machines, a, b, c) => {
        const online = Math.min(machines, a);
        const failed = Math.min(online, b);
        const upToDate = Math.min(online - failed, c);
        const summary = summarizeCell(cell({ machines, online, failed, upToDate }), true);
        expect(summary.upToDate + summary.failed + summary.offline + summary.pending).toBe(machines);
      }),
    );
  });
});

it('puts problems first, then what is in progress, then the rest by name', () => {
  const sorted = sortProjects([
    project('zebra'),
    project('alpha'),
    project('moving', { lastDeployment: { status: 'RUNNING' }, regions: [cell({ upToDate: 2 })] }),
    project('away', { regions: [cell({ online: 2, upToDate: 2 })] }),
    project('broken', { regions: [cell(), cell({ failed: 1, upToDate: 3 })] }),
    project('bad-build', { lastJob: { status: 'FAILED' } }),
    project('bad-deployment', { lastDeployment: { status: 'FAILED' } }),
  ]);
  expect(sorted.map(({ name }) => name)).toEqual([
    'bad-deployment',
    'broken',
    'away',
    'bad-build',
    'moving',
    'alpha',
    'zebra',
  ]);
});

it('gathers what runs over the regions', () => {
  const region = (observed: { build: string | null; machines: number }[]) => ({ ...cell(), region: 'r', observed });
  expect(
    runningNow({
      regions: [
        region([{ build: 'a@1', machines: 2 }]),
        region([
          { build: 'b@2', machines: 3 },
          { build: 'a@1', machines: 2 },
        ]),
      ],
    }),
  ).toEqual([
    ['a@1', 4],
    ['b@2', 3],
  ]);
});
