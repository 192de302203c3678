import { expect, it } from 'vitest';
import { endedDeployments } from './ended-deployments.ts';

const deployment = (id: number, status: string) => ({ id, project: 'hello', status, outcome: null });

it('tells of those that ended since the last look, once', () => {
  const running = [deployment(1, 'RUNNING'), deployment(2, 'SUCCEEDED')];
  const ended = [deployment(1, 'FAILED'), deployment(2, 'SUCCEEDED')];
  expect(endedDeployments(null, ended)).toEqual([]);
  expect(endedDeployments(running, ended).map(({ id }) => id)).toEqual([1]);
  expect(endedDeployments(ended, ended)).toEqual([]);
});
