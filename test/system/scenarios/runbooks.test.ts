import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openReader, type Reader } from '../../documents/reader.ts';
import { everywhere, type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { newBuild } from './shop.ts';

// docs/runbooks.md, followed: each command that it names, in its place.

let starling: StarlingUnderTest;
let reader: Reader;
/** What the runbooks call 17. */
let deployment = 0;
let good: string;
let hubs: Record<string, string>;
const patience = { timeout: 60_000, interval: 250 };

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 2 });
  const number = () => String(deployment);
  const fill = { '17': number, '<number>': number, '<project>': 'shop' };
  const typed = join(starling.data, 'typed');
  await mkdir(typed);
  reader = await openReader('docs/runbooks.md', { data: starling.data, folder: typed, fill, isTextToo: true });
  hubs = Object.fromEntries(starling.ports.map(({ name, port }) => [name, `http://127.0.0.1:${port}`]));
  good = await newBuild(starling);
  await release(good);
});
afterAll(() => starling?.discard());

/** Runs a command that a runbook names; what it says. */
async function follow(runbook: string, command: string): Promise<string> {
  return (await reader.mention(runbook, command)).output;
}

async function release(build: string): Promise<number> {
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build });
  expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
  await everywhere(starling, 'shop', build);
  return id;
}

it('A bad release', async () => {
  const runbook = 'A bad release';
  const bad = await newBuild(starling);
  const id = await release(bad);
  deployment = id;
  await follow(runbook, 'stop-the-line shop --reason "errors at the till"');
  expect(await follow(runbook, 'rollback shop --reason "errors at the till" --wait')).toMatch(/6 machines run it/);
  await everywhere(starling, 'shop', good);
  expect(await follow(runbook, 'machines --project shop --problems')).not.toMatch(/told|failed|offline/);
  expect(await follow(runbook, 'quarantine list')).toMatch(new RegExp(`${bad}.*errors at the till`));
  await follow(runbook, 'start-the-line shop');
  expect(await follow(runbook, 'builds shop')).toContain(good);
  expect(await follow(runbook, 'deployments shop')).toContain(String(id));
  expect(await follow(runbook, 'deployment 17')).toContain(bad);
  await follow(runbook, 'undo-rollback shop --reason "the network was it"');
  await everywhere(starling, 'shop', bad);
  good = bad;
});

it('A rollout is stuck', async () => {
  const runbook = 'A rollout is stuck';
  const slow = await newBuild(starling, {
    more: 'hooks: { afterInstall: sleep 600 }\nrollout: { waves: [{ fraction: 1% }] }\n',
  });
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: slow });
  deployment = id;
  await vi.waitFor(async () => {
    const said = await follow(runbook, 'machines --project shop --problems');
    const machine = /^(\S+-\d).*STAGED.*told/m.exec(said)?.[1];
    expect(machine, said).toBeDefined();
    const log = join(starling.data, 'machines', machine!, 'projects/shop/logs/hooks.log');
    expect(await readFile(log, 'utf8')).toMatch(new RegExp(`afterInstall of ${slow}, deployment ${id}`));
  }, patience);
  expect(await follow(runbook, 'deployment 17')).toMatch(/wave/i);
  await starling.api.deployments.pause.mutate({ id, reason: 'the till is busy' });
  expect(await follow(runbook, 'deployment 17')).toMatch(/paused.*the till is busy/i);
  await follow(runbook, 'resume 17 --reason "looked at it"');
  await starling.cli('stop-the-line', 'shop', '--reason', 'inventory');
  expect(await follow(runbook, 'start-the-line --list')).toContain('inventory');
  await follow(runbook, 'start-the-line shop');
  for (const command of ['approvals', 'freeze list']) await follow(runbook, command);
  await follow(runbook, 'promote 17');
  await follow(runbook, 'abort 17 --reason "not today"');
  await follow(runbook, 'abort 17 --reason "not today"');
  expect(await settled(starling, id)).toMatchObject({ status: 'ABORTED' });
  await everywhere(starling, 'shop', good);
});

it('A region is down', async () => {
  const runbook = 'A region is down';
  const before = good;
  const next = await newBuild(starling);
  await release(next);
  // Its host hangs: nothing is answered any more, and no connection ends.
  const hub = starling.children.get('hub-us-east')!;
  const hung = hub.pid!;
  process.kill(hung, 'SIGSTOP');
  try {
    const problems = 'machines --region us-east --problems';
    await vi.waitFor(
      async () => expect(await follow(runbook, problems)).toMatch(/us-east-1.*offline[\s\S]*us-east-2.*offline/),
      patience,
    );
    const health = fetch(`${hubs['hub us-east']}/healthz`, { signal: AbortSignal.timeout(2_000) });
    await expect(health).rejects.toThrow();
    expect(await (await fetch(`${hubs['hub eu-west']}/healthz`)).json()).toMatchObject({ status: 'ok' });
    await follow(runbook, 'rollback shop --reason "half of it is dark"');
    await vi.waitFor(
      async () =>
        expect((await starling.cli('machines', '--region', 'eu-west', '--build', before)).stdout).toMatch(/eu-west-2/),
      patience,
    );
    process.kill(hung, 'SIGKILL');
    // Its keeper starts it again, as systemd would.
    await vi.waitFor(async () => expect(await follow(runbook, problems)).not.toContain('us-east-'), patience);
    await everywhere(starling, 'shop', before);
    expect(await follow(runbook, 'status shop')).toContain(before);
    good = before;
  } finally {
    if (startOf(hung) !== undefined) process.kill(hung, 'SIGCONT');
  }
});

it('An agent is silent', async () => {
  const runbook = 'An agent is silent';
  const agent = starling.children.get('agent-us-east-1')!;
  const place = join(starling.data, 'machines/us-east-1/projects/shop');
  const { process: program } = JSON.parse(await readFile(join(place, 'program.json'), 'utf8'));
  const hung = agent.pid!;
  process.kill(hung, 'SIGSTOP');
  await vi.waitFor(
    async () => expect(await follow(runbook, 'machines --find us-east-1')).toMatch(/us-east-1.*offline/),
    patience,
  );
  expect(startOf(program.pid)).toBe(program.identity);
  const starts = async () =>
    (await readFile(join(place, 'logs/program.log'), 'utf8')).match(/^started$/gm)?.length ?? 0;
  const before = await starts();
  expect(await readFile(join(place, 'logs/program.log'), 'utf8')).toContain('started');
  expect((await readFile(join(place, 'current/stamp'), 'utf8')).trim()).toContain(good.split('@')[1]);
  // Two releases go by without it; it comes to the second, and never starts the first.
  for (const build of [await newBuild(starling), await newBuild(starling)]) {
    await starling.api.deployments.deploy.mutate({ project: 'shop', build, whenBusy: 'REPLACE' });
    await vi.waitFor(
      async () => expect((await starling.cli('machines', '--build', build)).stdout).toContain('eu-west-1'),
      patience,
    );
    good = build;
  }
  process.kill(hung, 'SIGKILL');
  await everywhere(starling, 'shop', good);
  expect(await starts()).toBe(before + 1);
  await agent.stop();
  await vi.waitFor(
    async () => expect(await follow(runbook, 'machines --find us-east-1')).toMatch(/us-east-1.*offline/),
    patience,
  );
  await follow(runbook, 'machine decommission us-east-1 --reason "broken mainboard" --yes');
  expect(await follow(runbook, 'machines --find us-east-1')).not.toContain('us-east-1');
});

// What these name is looked at when something is wrong, and answers always.
it('the others', async () => {
  expect(await follow('A build cannot be deployed: a region is missing', 'builds <project>')).toContain(good);
  expect(await follow('A job stays QUEUED', 'workers')).toMatch(/worker-1[\s\S]*worker-2/);
  expect(await follow('A deployment FAILED', 'deployment <number>')).toContain('ABORTED');
  expect(await follow('A deployment FAILED', 'status')).toContain(good);
  await follow('Machines are offline, in general', 'machines --problems');
  await follow('Machines run something else than they were told to', 'machines --project <project> --problems');
  await reader.end();
});
