import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type SoakFleet, startFleet } from '../soak/fleet.ts';
import { commit, temporaryFolder } from './starling-under-test.ts';

// A worker process that is told to stop in the middle of a build.

let data: string;
let fleet: SoakFleet;
beforeAll(async () => {
  data = await temporaryFolder('drain');
  fleet = await startFleet({ data, controls: 1, workers: 1, settings: { STARLING_DRAIN_ON_STOP: '60s' } });
});
afterAll(async () => {
  await fleet?.stop();
  await rm(data, { recursive: true, force: true });
});

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });

it('finishes its build, takes no other, and builds again when it is started again', async () => {
  const api = fleet.apis[0]!;
  const worker = fleet.workers[0]!;
  const [repository, go] = [join(data, 'repository'), join(data, 'go')];
  const recipe = `while ! test -e ${go}; do sleep 0.05; done; echo x > out`;
  const sha = await commit(repository, {
    'starling.yml': `version: 1\nbuild:\n  command: ${JSON.stringify(recipe)}\n  artifact: out\n`,
  });
  await api.projects.add.mutate({ name: 'svc', repositoryUrl: repository, defaultRef: 'main' });
  const { id } = await api.jobs.create.mutate({ project: 'svc', ref: sha });
  const next = await api.jobs.create.mutate({ project: 'svc', ref: sha, force: true });
  await eventually(async () => expect((await api.jobs.get.query({ id })).stage).toBe('RECIPE'));

  const stopped = worker.stop();
  await eventually(async () =>
    expect(await api.workers.list.query()).toMatchObject([
      { name: 'worker-1', state: 'DRAINING', drainedBy: null, job: { id, project: 'svc' } },
    ]),
  );
  expect(await api.queue.status.query()).toMatchObject({
    queued: 1,
    running: 1,
    unclaimable: 1,
    byLabels: [{ labels: {}, unclaimableBecause: 'every living worker is draining' }],
  });
  await writeFile(go, '');
  await stopped;
  expect(await api.jobs.get.query({ id })).toMatchObject({ status: 'SUCCEEDED', attempts: 1 });
  expect(await api.jobs.get.query({ id: next.id })).toMatchObject({ status: 'QUEUED', attempts: 0 });
  expect(await api.workers.list.query()).toMatchObject([{ state: 'STOPPED', job: null }]);

  worker.start();
  await eventually(async () =>
    expect(await api.jobs.get.query({ id: next.id })).toMatchObject({ status: 'SUCCEEDED', attempts: 1 }),
  );
  expect(await api.workers.list.query()).toMatchObject([{ state: 'IDLE', drainingSince: null }]);
});
