import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { everywhere, processesIn, type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { newBuild, type ShopRecipe } from './shop.ts';

// Builds that take more than they may, on a canary of one machine of two: nobody else is touched, and whoever looks at the
// deployment reads why, and what the program said last.

let starling: StarlingUnderTest;
let good: string;

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 2, regions: ['eu-west'] });
  good = await watchedBuild(undefined, '300ms');
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: good });
  expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
});
afterAll(() => starling?.discard());

/** A build in a rollout with a canary; one that takes too much is not committed before that is found out. */
const watchedBuild = (run: ShopRecipe['run'], minHealthyTime = '10m') =>
  newBuild(starling, {
    ...(run && { run }),
    health: `{ command: test -e stamp, interval: 100ms, minHealthyTime: ${minHealthyTime}, healthyDeadline: 15m }`,
    more: 'rollout: { waves: [{ fraction: 50% }] }\n',
  });

/** Deploys a build that fails on the canary; the machine that was the canary, as its deployment shows it. */
async function caught(build: string) {
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build });
  const ended = await settled(starling, id);
  expect(ended).toMatchObject({ status: 'FAILED', wave: 1 });
  await everywhere(starling, 'shop', good);
  const machines = await starling.api.deployments.machines.query({ id });
  const [canary, ...others] = machines.toSorted((a, b) => Number(b.reached) - Number(a.reached));
  expect(others).toMatchObject([{ reached: false, step: null }]);
  const slots = join(starling.data, 'machines', canary!.machine, 'projects/shop/slots');
  await vi.waitFor(async () => expect(await processesOf(slots, build)).toEqual([]), { timeout: 10_000, interval: 100 });
  return { outcome: ended.outcome ?? '', detail: canary!.detail, id };
}
/** What runs in a slot of a build, whoever says what. */
async function processesOf(slots: string, build: string): Promise<number[]> {
  const running = await processesIn(slots);
  const named = await Promise.all(
    running.map(async (pid) => [pid, await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')] as const),
  );
  return named.flatMap(([pid, environment]) =>
    environment.includes(`STARLING_BUILD=${build}\0`) && startOf(pid) !== undefined ? [pid] : [],
  );
}

it('memory: with all that it started, the program is ended, and the deployment, its machine and the CLI say of what', async () => {
  const child = `node -e 'global.kept = Buffer.alloc(150 * 2 ** 20, 1); setInterval(() => {}, 1e6)'`;
  const build = await watchedBuild({
    command: `echo "reading the catalogue"\n${child} &\n${child} &\nwait`,
    limits: { memory: '256MiB' },
  });
  const { outcome, detail, id } = await caught(build);
  const why = 'the program was ended for using more memory than its limit of 256.0 MiB before it was healthy';
  expect(outcome).toBe(`wave 1 of 2: 1 of 1 machines that answered failed: ${why}`);
  expect(detail).toMatch(new RegExp(`^${why}\nIt used \\d+\\.\\d MiB when it was looked at\\.\n`));
  expect(detail).toContain('The last lines of its log:\nreading the catalogue');
  const shown = await starling.cli('deployment', String(id));
  expect(shown.stdout).toContain(why);
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: only the agent of root runs programs as somebody else');
/** Nothing else on a machine runs as it: the kernel counts all that a user runs. */
const user = 'games';
const forking = 'i=0; while [ $i -lt 40 ]; do sleep 600 & i=$((i+1)); done; echo "all are up"; wait';

it('processes: root is ended for having too many', async () => {
  const { detail, outcome } = await caught(await watchedBuild({ command: forking, limits: { processes: 12 } }));
  expect(outcome).toContain('more processes and threads than its limit of 12');
  expect(detail).toMatch(/It had \d\d when it was looked at\./);
});

it.skipIf(!isRoot)('processes: the kernel refuses them to another user, and the last lines say it', async () => {
  const { detail } = await caught(await watchedBuild({ command: forking, user, limits: { processes: 12 } }));
  expect(detail).toMatch(/the program exited with code 2.*\nThe last lines of its log:\n.*Cannot fork/);
  expect(detail).not.toContain('all are up');
});

it.skipIf(!isRoot)('a user: the program and all that it starts run as the user that was asked for', async () => {
  const build = await watchedBuild({ command: 'sleep 1000000 & wait', user }, '300ms');
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build });
  expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
  const uid = /^games:[^:]*:(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'))?.[1];
  for (const machine of starling.machines) {
    const running = await processesOf(join(starling.data, 'machines', machine, 'projects/shop/slots'), build);
    expect(running.length).toBeGreaterThan(1);
    for (const pid of running)
      expect(await readFile(`/proc/${pid}/status`, 'latin1')).toMatch(new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s`, 'm'));
  }
  good = build;
  const unknown = await caught(await watchedBuild({ command: 'exec sleep 1000000', user: 'no-such-user' }));
  expect(unknown.detail).toContain('no-such-user');
});
