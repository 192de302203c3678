import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lifecycleEvents } from '@starling/shared/lifecycle.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { everywhere, processesIn, type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { startExtraMachine } from './extra-machine.ts';
import { newBuild } from './shop.ts';

// What on-call meets at night, each played with real processes: six machines in three regions, and one more where a scenario
// needs a machine with something wrong. A bad build in a canary or a later wave is played in waves.test.ts.

let starling: StarlingUnderTest;
let good: string;
const once = (what: string) => `f=../../${'$STARLING_LIFECYCLE_EVENT'}-once; test -e $f || { touch $f; ${what}; }`;

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 2 });
  good = await newBuild(starling);
  await deploy('shop', good);
});
afterAll(() => starling?.discard());

const begin = (project: string, build: string) => starling.api.deployments.deploy.mutate({ project, build });
async function deploy(project: string, build: string): Promise<void> {
  const { id } = await begin(project, build);
  expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
  await everywhere(starling, project, build);
}
const placeOf = (machine: string, project = 'shop') => join(starling.data, 'machines', machine, 'projects', project);
/** The process of each machine's program. */
const programs = () =>
  Promise.all(
    starling.machines.map(async (machine) => {
      const record = JSON.parse(await readFile(join(placeOf(machine), 'program.json'), 'utf8'));
      return record.process.pid as number;
    }),
  );
async function failsEverywhere(build: string): Promise<string[]> {
  const { id } = await begin('shop', build);
  expect(await settled(starling, id)).toMatchObject({ status: 'FAILED' });
  const machines = await starling.api.deployments.machines.query({ id });
  expect(machines.map(({ step }) => step)).toEqual(machines.map(() => 'FAILED'));
  expect(machines).toHaveLength(starling.machines.length);
  await everywhere(starling, 'shop', good);
  return machines.map(({ detail }) => detail);
}

it('flapping health: a program that is well every other time is not well', async () => {
  const flapping = await newBuild(starling, {
    health:
      '{ command: "n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; test $((n % 2)) = 0", interval: 100ms, minHealthyTime: 1s, healthyDeadline: 4s }',
  });
  for (const detail of await failsEverywhere(flapping)) expect(detail).toContain('not healthy within 4 s');
});

it('a hook that hangs: it is ended with what it started, the old program is never touched', async () => {
  const before = await programs();
  const hook = '"echo waiting for a lock; sleep 7654 & wait"';
  const hanging = await newBuild(starling, { more: `hooks: { afterInstall: { command: ${hook}, timeout: 1s } }\n` });
  for (const detail of await failsEverywhere(hanging)) {
    expect(detail).toContain('did not end within 1 s; it was ended');
    expect(detail).toContain('waiting for a lock');
  }
  expect(await programs()).toEqual(before);
  for (const machine of starling.machines) {
    for (const slot of await readdir(join(placeOf(machine), 'slots'))) {
      const running = await processesIn(join(placeOf(machine), 'slots', slot));
      for (const pid of running) expect(before).toContain(pid);
    }
  }
});

it('agents killed in every hook, on every machine: the update goes on, and each program is started once', async () => {
  const hooks = lifecycleEvents.map((event, index) => {
    // Half of the machines in every other one, so that they need not be started again six times in a row.
    const kill = `test $((\${STARLING_MACHINE##*-} % 2)) = ${index % 2} && echo killed > $f && kill -9 $PPID || true`;
    const [inSlot, inProject] = [once(kill), once(kill).replace('../../', '')];
    return `  ${event}: ${JSON.stringify(event === 'beforeInstall' ? inProject : inSlot)}`;
  });
  const killing = await newBuild(starling, { more: `hooks:\n${hooks.join('\n')}\n` });
  await deploy('shop', killing);
  const next = await newBuild(starling);
  // The hooks of the way out belong to the build that is stopped.
  await deploy('shop', next);
  good = next;
  for (const machine of starling.machines) {
    const marks = (await readdir(placeOf(machine))).filter((name) => name.endsWith('-once'));
    expect(marks.toSorted()).toEqual(lifecycleEvents.map((event) => `${event}-once`).toSorted());
    const texts = await Promise.all(marks.map((mark) => readFile(join(placeOf(machine), mark), 'utf8')));
    expect(texts.filter((text) => text === 'killed\n')).toHaveLength(3);
  }
});

it('two releases of two projects at once: both arrive, neither disturbs the other', async () => {
  const [shop, mail] = [await newBuild(starling), await newBuild(starling, { project: 'mail' })];
  const [first, second] = await Promise.all([begin('shop', shop), begin('mail', mail)]);
  for (const { id } of [first, second]) expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
  await everywhere(starling, 'shop', shop);
  await everywhere(starling, 'mail', mail);
  good = shop;
});

it('a rollback of a rollback: every machine goes back and forth without fetching a byte', async () => {
  const before = good;
  const next = await newBuild(starling);
  await deploy('shop', next);
  for (const [command, build] of [
    ['rollback', before],
    ['undo-rollback', next],
    ['rollback', before],
  ] as const) {
    const { code, stderr } = await starling.cli(command, 'shop', '--wait', '--reason', 'to and fro');
    expect(code, stderr).toBe(0);
    await everywhere(starling, 'shop', build);
    const [last] = await starling.api.deployments.list.query({ project: 'shop', limit: 1 });
    const { regions } = await starling.api.deployments.get.query({ id: last!.id });
    expect(regions.map(({ bytesDone }) => bytesDone)).toEqual([0, 0, 0]);
  }
});

// Its connections stay open and nothing comes through. A link that is cut: cut-off-region.test.ts, where root runs it.
it('a hub that hangs in the middle: the other regions go on, and its own comes to what is wanted by then', async () => {
  const slow = await newBuild(starling, { more: 'hooks: { afterInstall: sleep 3 }\n' });
  const cut = starling.children.get('hub-us-east')!;
  const { id } = await begin('shop', slow);
  await vi.waitFor(
    async () => {
      const machines = await starling.api.deployments.machines.query({ id });
      expect(machines.some(({ machine }) => machine.startsWith('us-east'))).toBe(true);
    },
    { timeout: 30_000, interval: 50 },
  );
  process.kill(cut.pid!, 'SIGSTOP');
  try {
    const elsewhere = starling.machines.filter((machine) => !machine.startsWith('us-east'));
    const run = async (build: string) => {
      const machines = await starling.api.machines.list.query({ project: 'shop', limit: 100 });
      const there = machines.filter((machine) => elsewhere.includes(machine.id));
      expect(there.map(({ projects: [state] }) => `${state?.observedBuild} ${state?.step}`)).toEqual(
        elsewhere.map(() => `${build} COMMITTED`),
      );
    };
    await vi.waitFor(() => run(slow), { timeout: 60_000, interval: 200 });
    // Whoever is on call goes back, with the region still away.
    const back = await starling.cli('rollback', 'shop', good, '--reason', 'half of it is dark');
    expect(back.code, back.stderr).toBe(0);
    await vi.waitFor(() => run(good), { timeout: 60_000, interval: 200 });
  } finally {
    process.kill(cut.pid!, 'SIGCONT');
  }
  await everywhere(starling, 'shop', good);
  const [last] = await starling.api.deployments.list.query({ project: 'shop', limit: 1 });
  expect(await settled(starling, last!.id)).toMatchObject({ status: 'SUCCEEDED', kind: 'ROLLBACK' });
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: a full disk needs a small disk, and only root may mount one');
it.skipIf(!isRoot)(
  'a full disk: the machine says so, keeps what it runs, and takes the next build that fits',
  async () => {
    const disk = join(starling.data, 'small-disk');
    await mkdir(disk, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=72m', 'tmpfs', disk]);
    const { child } = await startExtraMachine(starling, 'small-disk', 'eu-west', { STARLING_AGENT_DATA: disk });
    try {
      const stateOf = async () =>
        (await starling.api.machines.get.query({ id: 'small-disk' })).projects.find(
          ({ project }) => project === 'shop',
        );
      const runs = (build: string) =>
        vi.waitFor(async () => expect(await stateOf()).toMatchObject({ step: 'COMMITTED', observedBuild: build }), {
          timeout: 60_000,
          interval: 200,
        });
      await vi.waitFor(async () => expect(await stateOf()).toMatchObject({ observedBuild: good }), {
        timeout: 60_000,
        interval: 200,
      });
      const build = await newBuild(starling, { build: 'head -c 12000000 /dev/urandom > out/large' });
      const { id } = await begin('shop', build);
      await vi.waitFor(
        async () => {
          const machines = await starling.api.deployments.machines.query({ id });
          const here = machines.find(({ machine }) => machine === 'small-disk');
          expect(here).toMatchObject({ step: 'FAILED' });
          expect(here?.detail).toMatch(/the disk of .*small-disk needs .* free, has/);
        },
        { timeout: 60_000, interval: 200 },
      );
      expect((await stateOf())?.observedBuild).toBe(good);
      await settled(starling, id);
      const small = await newBuild(starling);
      await begin('shop', small);
      await runs(small);
      good = small;
    } finally {
      await child.stop();
      execFileSync('umount', [disk]);
    }
  },
);

// Last, because they are offline afterwards, and deployments wait a moment for machines that are.
it('a machine whose clock is an hour wrong is updated like any other; one that is a year ahead says so', async () => {
  const skew = async (name: string, milliseconds: number) => {
    const file = join(starling.data, `${name}.mjs`);
    await writeFile(
      file,
      `const real = Date.now; Date.now = () => real() + ${milliseconds};
globalThis.Date = class extends Date { constructor(...given) { given.length === 0 ? super(Date.now()) : super(...given); } };\n`,
    );
    return { NODE_OPTIONS: `--import=${pathToFileURL(file).href}` };
  };
  const hour = 3_600_000;
  const machines = await Promise.all([
    startExtraMachine(starling, 'clock-behind', 'eu-west', await skew('behind', -hour)),
    startExtraMachine(starling, 'clock-ahead', 'eu-west', await skew('ahead', hour)),
    startExtraMachine(starling, 'clock-far', 'eu-west', await skew('far', 365 * 24 * hour)),
  ]);
  try {
    const stateOf = async (id: string) => (await starling.api.machines.get.query({ id })).projects;
    for (const id of ['clock-behind', 'clock-ahead']) {
      // Late joiners: they come to what is stable, of every project, without a deployment.
      await vi.waitFor(
        async () => {
          const shop = (await stateOf(id)).find(({ project }) => project === 'shop');
          expect(shop).toMatchObject({ step: 'COMMITTED', observedBuild: good });
        },
        { timeout: 40_000, interval: 200 },
      );
    }
    await vi.waitFor(
      async () => {
        const shop = (await stateOf('clock-far')).find(({ project }) => project === 'shop');
        expect(shop?.detail).toMatch(/version key \d+ of shop refused: it expired/);
      },
      { timeout: 40_000, interval: 200 },
    );
  } finally {
    await Promise.all(machines.map(({ child }) => child.stop()));
  }
});
