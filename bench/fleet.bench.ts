import { type ChildProcess, fork } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuSecondsOf, memoryOf } from './fleet/process-cost.ts';
import { buildRecipe } from './fleet/sample-builds.ts';
import type { SimulatedAgentsOrder, SimulatedAgentsState } from './fleet/simulated-agents.ts';
import { whatFits } from './fleet/what-fits.ts';
import { startWorld, until } from './fleet/world.ts';

// A whole fleet on a few real hubs, each a region of its own, with a real control server and PostgreSQL: every agent proves
// itself and holds its own connection, then one build is deployed to all of them, in waves. The agents are simulated,
// thousands in a process, because what is measured is the servers.

/** Agents that one process plays. */
const perPlayer = 12_000;
const signInsAtOnce = 16;
/** A canary, a part, and everybody. */
const waves = [{ fraction: '1%' }, { fraction: '20%' }, { fraction: '100%' }];

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: {
      agents: { type: 'string', default: '100000' },
      hubs: { type: 'string' },
      'fetch-seconds': { type: 'string', default: '8' },
      keep: { type: 'boolean', default: false },
    },
  });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const { agents, hubs, limit } = whatFits(Number(values.agents), values.hubs ? Number(values.hubs) : undefined);
  say(limit ? `${agents} of ${values.agents} agents fit: ${limit}` : `${agents} agents on ${hubs} hubs`);
  const beganAt = Date.now();
  const data = await mkdtemp(join(tmpdir(), 'starling-fleet-'));
  await chmod(data, 0o711);
  const world = await startWorld(
    data,
    Array.from({ length: hubs }, (_, index) => `region-${index + 1}`),
  );
  const fleets: ChildProcess[] = [];
  /** How long each part took: what is measured, and what comes before it. */
  const took: Record<string, number> = {};
  let markedAt = beganAt;
  const mark = (part: string) => {
    took[`${part}_seconds`] = Number(((Date.now() - markedAt) / 1_000).toFixed(1));
    say(`${part}: ${took[`${part}_seconds`]} s`);
    markedAt = Date.now();
  };
  try {
    const build = await buildRecipe(
      world,
      'hello',
      'version: 1\nbuild: { command: "mkdir out && date > out/stamp", artifact: out }\n',
    );
    mark('prepare');
    const pids = world.regions.map(({ hub }) => hub.pid!);
    const empty = pids.map((pid) => memoryOf(pid).nowKib);
    const perHub = world.regions.map((_, index) => Math.floor(agents / hubs) + (index < agents % hubs ? 1 : 0));

    const cpuBefore = pids.map(cpuSecondsOf);
    for (const [index, region] of world.regions.entries()) {
      const players = Math.ceil(perHub[index]! / perPlayer);
      for (let player = 0; player < players; player += 1) {
        const first = Math.floor((perHub[index]! * player) / players) + 1;
        const count = Math.floor((perHub[index]! * (player + 1)) / players) - first + 1;
        const order: SimulatedAgentsOrder = {
          hubUrl: region.hubUrl,
          region: region.name,
          first,
          count,
          localAddresses: localAddresses(fleets.length, count),
          racks: Math.max(1, Math.round(perHub[index]! / 40)),
          atOnce: Math.ceil(signInsAtOnce / players),
          identityKeyFile: world.secrets.identityKey,
          fetchMs: [2_000, Number(values['fetch-seconds']) * 1_000],
          probeMs: 10_000,
        };
        const file = join(data, `${region.name}-${player}.json`);
        await writeFile(file, JSON.stringify(order));
        fleets.push(fork(new URL('./fleet/simulated-agents.ts', import.meta.url), [file], { execArgv: [] }));
      }
    }
    const states = () => Promise.all(fleets.map((fleet) => asked<SimulatedAgentsState>(fleet, 'state')));
    const sum = (
      all: SimulatedAgentsState[],
      field: 'sentAgain' | 'welcomed' | 'closed' | 'reportsSent' | 'reportsAccepted' | 'peersFrames',
    ) => all.reduce((total, one) => total + one[field], 0);
    let saidAt = Date.now();
    await until(
      'every agent is connected',
      async () => {
        const all = await states();
        if (Date.now() - saidAt > 10_000) {
          saidAt = Date.now();
          say(`${sum(all, 'welcomed')} of ${agents} connected, ${sum(all, 'closed')} cut off`);
        }
        return sum(all, 'welcomed') === agents;
      },
      1_800,
      1_000,
    );
    mark('connect');
    await until(
      'control knows every machine',
      async () =>
        (await world.api.machines.counts.query({})).reduce((total, { machines }) => total + machines, 0) >= agents,
      600,
      1_000,
    );
    mark('known');
    const signInCpu = pids.reduce((total, pid, index) => total + cpuSecondsOf(pid) - cpuBefore[index]!, 0);

    // At rest: pulses every ten seconds, and "still there" for control.
    const rest = await costDuring(pids, async () => new Promise((resolve) => setTimeout(resolve, 15_000)));
    mark('at_rest');
    const atRest = pids.map((pid) => memoryOf(pid).nowKib);

    let deployment = 0;
    const busy = await costDuring([...pids, world.control.pid!], async () => {
      deployment = (await world.api.deployments.deploy.mutate({ project: 'hello', build, rollout: { waves } })).id;
      await until(
        'the deployment has ended',
        async () => {
          if (Date.now() - saidAt > 10_000) {
            saidAt = Date.now();
            const all = await states();
            const { wave } = await world.api.deployments.get.query({ id: deployment });
            say(`wave ${wave}: ${sum(all, 'reportsSent')} reports sent, ${sum(all, 'reportsAccepted')} accepted`);
          }
          return (await world.api.deployments.get.query({ id: deployment })).status !== 'RUNNING';
        },
        1_800,
        500,
      );
      mark('deployment');
      await until(
        'every report is accepted',
        async () => {
          const all = await states();
          return sum(all, 'reportsAccepted') === sum(all, 'reportsSent');
        },
        600,
        500,
      );
    });
    mark('accepted');
    const { status } = await world.api.deployments.get.query({ id: deployment });
    if (status !== 'SUCCEEDED') throw new Error(`the deployment is ${status}`);
    const all = await states();
    const toldBy = await Promise.all(fleets.map((fleet) => asked<Record<number, number[]>>(fleet, 'told')));
    const told = toldBy.flatMap((one) => one[deployment] ?? []).toSorted((a, b) => a - b);
    const at = (share: number) => told[Math.min(told.length - 1, Math.floor(told.length * share))]! / 1_000;
    const peaks = pids.map((pid) => memoryOf(pid).peakKib);
    const round = (value: number, digits = 2) => Number(value.toFixed(digits));
    const biggest = Math.max(...perHub);
    const result = {
      bench: 'fleet',
      agents,
      hubs,
      kb_per_agent: round(Math.max(...atRest.map((kib, index) => (kib - empty[index]!) / perHub[index]!)), 1),
      cpu_cores: round(Math.max(...busy.cores.slice(0, hubs))),
      reports_per_second: Math.round(sum(all, 'reportsAccepted') / busy.seconds),
      told_last_seconds: round(told.at(-1)! / 1_000),
      told_median_seconds: round(at(0.5)),
      told_p99_seconds: round(at(0.99)),
      agents_per_hub: biggest,
      hub_empty_mb: Math.round(Math.max(...empty) / 1024),
      hub_at_rest_mb: Math.round(Math.max(...atRest) / 1024),
      hub_peak_mb: Math.round(Math.max(...peaks) / 1024),
      cpu_cores_at_rest: round(Math.max(...rest.cores), 3),
      cpu_cores_all_hubs: round(busy.cores.slice(0, hubs).reduce((total, one) => total + one, 0)),
      cpu_cores_control: round(busy.cores.at(-1)!),
      cpu_ms_per_sign_in: round((signInCpu / agents) * 1_000),
      reports: sum(all, 'reportsAccepted'),
      reports_sent_again: sum(all, 'sentAgain'),
      connections_lost: sum(all, 'closed'),
      peer_lists: sum(all, 'peersFrames'),
      waves: waves.length,
      ...took,
      driver_peak_mb: Math.round(Math.max(...fleets.map(({ pid }) => memoryOf(pid!).peakKib)) / 1024),
      bench_seconds: Math.round((Date.now() - beganAt) / 1_000),
    };
    console.table(result);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    for (const fleet of fleets) fleet.kill('SIGKILL');
    await world.stop();
    if (values.keep) process.stderr.write(`kept: ${data}\n`);
    else await rm(data, { recursive: true, force: true });
  }
}

/** On Linux all of 127/8 is this machine. A port is found slowly once half of those of an address are taken. */
function localAddresses(player: number, agents: number): string[] {
  if (process.platform !== 'linux') return [];
  return Array.from({ length: Math.ceil(agents / 6_000) }, (_, index) => `127.1.${player + 1}.${index + 1}`);
}

function asked<T>(fleet: ChildProcess, question: 'state' | 'told'): Promise<T> {
  return new Promise((resolve, reject) => {
    if (!fleet.connected) return reject(new Error('the simulated agents ended'));
    fleet.once('message', (answer) => resolve(answer as T));
    fleet.send(question);
  });
}

/** How many cores each process kept busy on average while something was done. */
async function costDuring(pids: number[], work: () => Promise<unknown>): Promise<{ cores: number[]; seconds: number }> {
  const before = pids.map(cpuSecondsOf);
  const from = performance.now();
  await work();
  const seconds = (performance.now() - from) / 1_000;
  return { seconds, cores: pids.map((pid, index) => (cpuSecondsOf(pid) - before[index]!) / seconds) };
}
