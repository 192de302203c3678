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
  try {
    const build = await buildRecipe(
      world,
      'hello',
      'version: 1\nbuild: { command: "mkdir out && date > out/stamp", artifact: out }\n',
    );
    const pids = world.regions.map(({ hub }) => hub.pid!);
    const empty = pids.map((pid) => memoryOf(pid).nowKib);
    const perHub = world.regions.map((_, index) => Math.floor(agents / hubs) + (index < agents % hubs ? 1 : 0));

    const cpuBefore = pids.map(cpuSecondsOf);
    const connectingFrom = Date.now();
    for (const [index, region] of world.regions.entries()) {
      const order: SimulatedAgentsOrder = {
        hubUrl: region.hubUrl,
        region: region.name,
        count: perHub[index]!,
        localAddresses: localAddresses(index, perHub[index]!),
        racks: Math.max(1, Math.round(perHub[index]! / 40)),
        atOnce: 16,
        identityKeyFile: world.secrets.identityKey,
        fetchMs: [2_000, Number(values['fetch-seconds']) * 1_000],
        probeMs: 10_000,
      };
      const file = join(data, `${region.name}.json`);
      await writeFile(file, JSON.stringify(order));
      fleets.push(fork(new URL('./fleet/simulated-agents.ts', import.meta.url), [file], { execArgv: [] }));
    }
    const states = () => Promise.all(fleets.map(stateOf));
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
    const connectSeconds = (Date.now() - connectingFrom) / 1_000;
    await until(
      'control knows every machine',
      async () =>
        (await world.api.machines.counts.query({})).reduce((total, { machines }) => total + machines, 0) >= agents,
      600,
      1_000,
    );
    const signInCpu = pids.reduce((total, pid, index) => total + cpuSecondsOf(pid) - cpuBefore[index]!, 0);
    say(`connected in ${connectSeconds.toFixed(1)} s`);

    // At rest: pulses every ten seconds, and "still there" for control.
    const rest = await costDuring(pids, async () => new Promise((resolve) => setTimeout(resolve, 15_000)));
    const atRest = pids.map((pid) => memoryOf(pid).nowKib);

    let deployment = 0;
    let seconds = 0;
    const busy = await costDuring([...pids, world.control.pid!], async () => {
      const from = Date.now();
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
      seconds = (Date.now() - from) / 1_000;
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
    const { status } = await world.api.deployments.get.query({ id: deployment });
    if (status !== 'SUCCEEDED') throw new Error(`the deployment is ${status}`);
    const all = await states();
    const told = all.flatMap((one) => one.told[deployment] ?? []).toSorted((a, b) => a - b);
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
      connect_seconds: round(connectSeconds, 1),
      reports: sum(all, 'reportsAccepted'),
      reports_sent_again: sum(all, 'sentAgain'),
      connections_lost: sum(all, 'closed'),
      peer_lists: sum(all, 'peersFrames'),
      deployment_seconds: round(seconds, 1),
      waves: waves.length,
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
function localAddresses(hub: number, agents: number): string[] {
  if (process.platform !== 'linux') return [];
  return Array.from({ length: Math.ceil(agents / 6_000) }, (_, index) => `127.1.${hub + 1}.${index + 1}`);
}

function stateOf(fleet: ChildProcess): Promise<SimulatedAgentsState> {
  return new Promise((resolve, reject) => {
    if (!fleet.connected) return reject(new Error('the simulated agents ended'));
    fleet.once('message', (state) => resolve(state as SimulatedAgentsState));
    fleet.send('state');
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
