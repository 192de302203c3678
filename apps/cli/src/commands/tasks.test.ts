import { describe, expect, test } from 'vitest';
import { at } from '../testing/samples.ts';
import { StubbedCli } from '../testing/stubbed-cli.ts';

const stub = new StubbedCli();
const { starling } = stub;

describe('tasks', () => {
  const task = {
    id: 5,
    name: 'migrate',
    phase: 'BEFORE',
    position: 0,
    type: 'command',
    what: './migrate.sh',
    status: 'FAILED',
    attempts: 2,
    maxAttempts: 2,
    timeoutMs: 300_000,
    runner: 'w1',
    failureReason: 'exit code 3: no table',
    startedAt: at,
    finishedAt: at,
  };

  test('shows what came of each, and with --log what they said', async () => {
    stub.server.answers['tasks.list'] = () => [task];
    stub.server.answers['tasks.log'] = () => ({ log: 'running: ./migrate.sh\nno table\n', status: 'FAILED' });
    const table = await starling('tasks', '7');
    expect(table.stdout).toMatch(/migrate +before +\S+ FAILED +2\/2 +\S+ \S+ +w1 +exit code 3: no table\n$/);
    expect(table.stderr).toContain('starling tasks 7 --log');
    const logs = await starling('tasks', '7', '--log');
    expect(logs.stdout).toContain('\n-- migrate --\nrunning: ./migrate.sh\nno table\n');
    const json = await starling('tasks', '7', '--log', '--json');
    expect(JSON.parse(json.stdout)).toEqual([{ ...task, log: 'running: ./migrate.sh\nno table\n' }]);
    expect(stub.server.calls).toContainEqual({ path: 'tasks.log', input: { id: 7, task: 5 } });
  });
});

describe('webhook', () => {
  const addresses = { github: '/webhooks/github/shop', gitlab: '/webhooks/gitlab/shop', git: '/webhooks/git/shop' };

  test('secret prints the secret alone on stdout', async () => {
    stub.server.answers['webhooks.secret'] = () => ({ project: 'shop', secret: 'whsec_x', generation: 2, addresses });
    const run = await starling('webhook', 'secret', 'shop', '--rotate');
    expect(run.stdout).toBe('whsec_x\n');
    expect(run.stderr).toContain('/webhooks/gitlab/shop');
    expect(stub.server.calls).toEqual([{ path: 'webhooks.secret', input: { project: 'shop', rotate: true } }]);
  });

  test('deliveries says what was done', async () => {
    const delivery = { source: 'github', deliveryId: 'd', event: 'push', receivedAt: at, jobs: [12] };
    stub.server.answers['webhooks.deliveries'] = () => [{ ...delivery, outcome: 'job 12 builds main' }];
    const run = await starling('webhook', 'deliveries', 'shop');
    expect(run.stdout).toMatch(/github +push +12 +job 12 builds main\n$/);
  });
});
