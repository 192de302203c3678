import { randomInt } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freeMemory, memoryOf, ownMemoryOf } from './fleet/process-cost.ts';
import { buildRecipe, ended } from './fleet/sample-builds.ts';
import { startWorld, until, type World } from './fleet/world.ts';

// Real agent processes in three regions, as many as this machine's memory carries, with the previous build in a slot. How long it takes from the command until the last
// of them runs that build and found it healthy; and from a halt until the last of them has stopped starting new work. When
// things happened on a machine is read from its agent's own log: all have the clock of this host.

const project = 'hello';
/** Each is a whole agent; its engine is told to keep less garbage about, so that more of them fit. */
const lean = { NODE_OPTIONS: '--max-semi-space-size=1', MALLOC_ARENA_MAX: '1' };
/** What an agent has when it has only just been updated is not yet its most; and the others need room, too. */
const shareOfMemory = 0.7;
const healthy = 'health: { command: test -e up, interval: 200ms, minHealthyTime: 1s }';
const service = (more = '') => `version: 1
build: { command: mkdir out && date +%N > out/stamp, artifact: out }
run: { command: touch up; exec sleep 1000000, stopGrace: 2s }
${healthy}
${more}`;

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: { agents: { type: 'string', default: '500' }, keep: { type: 'boolean', default: false } },
  });
  const wanted = Number(values.agents);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const data = await mkdtemp(join(tmpdir(), 'starling-rollback-'));
  await chmod(data, 0o711);
  const world = await startWorld(data, ['eu', 'us', 'ap']);
  try {
    const machineAt = (index: number) => {
      const region = world.regions[index % world.regions.length]!;
      return { name: `${region.name}-${String(index + 1).padStart(4, '0')}`, region };
    };
    const start = ({ name, region }: ReturnType<typeof machineAt>) =>
      world.startAgent(name, region, { STARLING_LOG_LEVEL: 'info', STARLING_DRIFT_EVERY: '0', ...lean });

    const good = await buildRecipe(world, project, service());
    const first = machineAt(0);
    const { pid } = await start(first);
    await everyone(world, 1);
    await deploy(world, good);
    const alone = await stepsOf(world, first.name);
    const program = (timeOf(alone, 'COMMITTED') - timeOf(alone, 'STARTING')) / 1_000;
    say(`the program alone: ${program} s from its start until it was found healthy`);

    const fitting = 1 + Math.floor((freeMemory() * shareOfMemory) / ownMemoryOf(pid!));
    const agents = Math.min(wanted, fitting);
    if (agents < wanted) say(`${agents} of ${wanted} agents fit into the memory that is free`);
    const machines = Array.from({ length: agents }, (_, index) => machineAt(index));
    const rest = machines.slice(1);
    const children = [];
    for (let from = 0; from < rest.length; from += 8) {
      children.push(...(await Promise.all(rest.slice(from, from + 8).map(start))));
      await everyone(world, 1 + Math.min(rest.length, from + 8));
    }
    await onBuild(world, good, agents);
    say(`${agents} agents run ${good}`);
    const bad = await buildRecipe(world, project, service());
    await deploy(world, bad);
    await onBuild(world, bad, agents);
    const agentMib = children.map((child) => memoryOf(child.pid!).nowKib / 1024).toSorted((a, b) => a - b);

    say('rollback');
    const commandAt = Date.now();
    const rollback = await world.api.deployments.rollback.mutate({ project, reason: 'bench' });
    const status = await ended(world, rollback.id, 600);
    if (status !== 'SUCCEEDED') throw new Error(`the rollback is ${status}`);
    await onBuild(world, good, agents);
    const back = await Promise.all(
      machines.map(async ({ name }) => timeOf(await stepsOf(world, name, commandAt), 'COMMITTED') - commandAt),
    );

    // Each machine takes its own time before it touches the old program, so that at any moment some are about to begin.
    say('halt');
    const spreadSeconds = Math.max(20, Math.ceil(agents / 5));
    const hook = `hooks: { beforeInstall: sleep $(($(od -An -N2 -tu2 /dev/urandom) % ${spreadSeconds})) }`;
    const slow = await buildRecipe(world, project, service(hook));
    const rollout = await world.api.deployments.deploy.mutate({ project, build: slow });
    await until(
      'a quarter of the machines began',
      async () => (await began(world, machines, slow)) >= Math.max(1, agents / 4),
      600,
      100,
    );
    await new Promise((resolve) => setTimeout(resolve, randomInt(500)));
    const haltAt = Date.now();
    await world.api.deployments.abort.mutate({ id: rollout.id, reason: 'bench' });
    await onBuild(world, good, agents);
    const halted: number[] = [];
    const beganLate: number[] = [];
    for (const { name } of machines) {
      const steps = (await stepsOf(world, name, haltAt)).filter(({ at }) => at >= haltAt);
      // The machine turned away from the build before it touched anything.
      const told = steps.find(({ event }) => event === 'TARGET_CURRENT');
      const late = steps.findLast(({ to, build }) => to === 'STOPPING' && build === slow);
      if (told && !late) halted.push(told.at - haltAt);
      if (late) beganLate.push(late.at - haltAt);
    }
    const all = [...halted, ...beganLate].toSorted((a, b) => a - b);
    if (all.length === 0) throw new Error('every machine had begun before the halt');
    const at = (sorted: number[], share: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
    const seconds = (milliseconds: number) => Number((milliseconds / 1_000).toFixed(2));
    const sortedBack = back.toSorted((a, b) => a - b);
    const result = {
      bench: 'rollback',
      agents,
      regions: world.regions.length,
      halt_p99_seconds: seconds(at(all, 0.99)),
      rollback_last_seconds: seconds(sortedBack.at(-1)!),
      program_start_seconds: program,
      rollback_median_seconds: seconds(at(sortedBack, 0.5)),
      halt_last_seconds: seconds(all.at(-1)!),
      halt_median_seconds: seconds(at(all, 0.5)),
      machines_that_were_about_to_begin: all.length,
      began_after_the_halt: beganLate.length,
      agent_median_mb: Math.round(at(agentMib, 0.5) ?? 0),
    };
    console.table(result);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    await world.stop();
    if (values.keep) say(`kept: ${data}`);
    else await rm(data, { recursive: true, force: true });
  }
}

async function deploy(world: World, build: string): Promise<void> {
  const { id } = await world.api.deployments.deploy.mutate({ project, build });
  const status = await ended(world, id, 900);
  if (status !== 'SUCCEEDED') throw new Error(`deployment ${id} of ${build} is ${status}`);
}

async function everyone(world: World, count: number): Promise<void> {
  await until(
    `${count} machines are there`,
    async () => (await world.api.machines.counts.query({})).reduce((sum, region) => sum + region.machines, 0) >= count,
    300,
  );
}

/** Waits until so many machines say that they run a build, and are at rest. */
async function onBuild(world: World, build: string, count: number): Promise<void> {
  await until(
    `${count} machines run ${build}`,
    async () => {
      const regions = await world.api.machines.counts.query({ project, build });
      return regions.reduce((sum, { done }) => sum + done, 0) === count;
    },
    900,
  );
}

interface StepTaken {
  at: number;
  event: string;
  to: string;
  build: string | undefined;
}

/** What an agent did, by its log: from a moment on, or all of it. */
async function stepsOf({ data }: World, machine: string, since = 0): Promise<StepTaken[]> {
  const text = await readFile(join(data, 'logs', `${machine}.log`), 'utf8');
  return text.split('\n').flatMap((line) => {
    if (!line.includes('"event"')) return [];
    const { time, event, to, build } = JSON.parse(line) as Record<string, string>;
    const at = Date.parse(time!);
    return at >= since ? [{ at, event: event!, to: to!, build }] : [];
  });
}

function timeOf(steps: StepTaken[], to: string): number {
  const step = steps.findLast((taken) => taken.to === to);
  if (!step) throw new Error(`a machine never came to ${to}`);
  return step.at;
}

async function began(world: World, machines: { name: string }[], build: string): Promise<number> {
  let count = 0;
  for (const { name } of machines) {
    const steps = await stepsOf(world, name);
    if (steps.some((step) => step.to === 'STOPPING' && step.build === build)) count += 1;
  }
  return count;
}
