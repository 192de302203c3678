import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runSoak } from '../soak/soak.ts';
import { temporaryFolder } from './starling-under-test.ts';

// The soak test of the benchmarks (`npm run bench -- soak`), in small.

let data: string;
beforeAll(async () => {
  data = await temporaryFolder('soak');
});
afterAll(() => rm(data, { recursive: true, force: true }));

it('ends every job, builds none twice and loses none while servers and workers are killed', async () => {
  const result = await runSoak({
    data,
    builds: 60,
    workers: 3,
    controls: 2,
    killControlEveryMs: 4_000,
    killWorkerEveryMs: 1_500,
    deadlineMs: 120_000,
  });
  expect(result.failures).toEqual({});
  expect(result.checks.filter(({ expected, found }) => expected !== found)).toEqual([]);
  expect(result.intime).toBe(true);
  // Otherwise it would have shown nothing.
  expect(Math.min(result.kills.control, result.kills.worker)).toBeGreaterThan(0);
});
