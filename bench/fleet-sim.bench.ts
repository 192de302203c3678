import { parseArgs } from 'node:util';
import { seededRandom } from '@starling/shared/seeded-random.ts';
import { pieceLengthFor } from '@starling/swarm/torrent-info.ts';
import { type HostSetting, type Setting, simulate, usualTimings } from '../apps/server/src/forecast/simulate.ts';

// How long large swarms take, by a simulation that runs the hub's and the agents' own decisions (`apps/server/src/forecast/simulate.ts` says what is
// run and what is modelled), and how well it foretells what `swarm-shaped` measures.

const MiB = 1024 * 1024;
const GB = 1e9;

/** What Ethernet, IP and TCP leave of a link. */
const payloadShare = 0.94;

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: {
      machines: { type: 'string', default: '100000' },
      regions: { type: 'string', default: '10' },
      'regions-run': { type: 'string', default: '1' },
      'machines-run': { type: 'string', default: '2000' },
      'build-minutes': { type: 'string', default: '5' },
      measured: { type: 'string' },
    },
  });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const kraken = krakenCase();
  say(`Kraken's case: ${JSON.stringify(kraken)}`);
  const dragonfly = dragonflyCase();
  say(`Dragonfly's case: ${JSON.stringify(dragonfly)}`);
  const ofRegion = Math.round(Number(values.machines) / Number(values.regions));
  // A swarm of twice the size takes one hop more, and twice the time to simulate.
  const inRegion = Math.min(ofRegion, Number(values['machines-run']));
  const fleets = Array.from({ length: Number(values['regions-run']) }, (_, index) => {
    const one = regionCase(inRegion, index + 1);
    say(`one region of ${inRegion}: ${JSON.stringify(one)}`);
    return one;
  });
  const slowest = fleets.toSorted((a, b) => b.lastHealthySeconds - a.lastHealthySeconds)[0];
  const calibration = { predicted: shapedCase(), measured: await measureShaped(values.measured) };
  const stages = stagesOf(Number(values['build-minutes']), slowest?.lastSeconds ?? 0);
  console.table([
    { case: 'Kraken: 3 GB, 2,600 hosts, 300 MB/s', 'last s': kraken.last, 'share of bound': kraken.share_of_bound },
    { case: 'Dragonfly: 10 GB, 990 nodes', 'last s': dragonfly.last, 'share of bound': dragonfly.share_of_bound },
    {
      case: `10 GB, ${values.machines} machines in ${values.regions} regions, the last healthy one`,
      'last s': slowest?.lastHealthySeconds,
      'share of bound': slowest?.share_of_bound,
    },
    { case: 'swarm-shaped, foretold', 'last s': calibration.predicted },
    { case: 'swarm-shaped, measured', 'last s': calibration.measured },
  ]);
  console.table(stages);
  process.stdout.write(
    `${JSON.stringify({
      bench: 'fleet-sim',
      kraken,
      dragonfly,
      fleet: {
        share_of_bound: slowest?.share_of_bound ?? null,
        last_healthy_seconds: slowest?.lastHealthySeconds ?? null,
        bound_seconds: slowest?.boundSeconds ?? null,
        machines_simulated: inRegion,
        rack_crossings: slowest?.crossings ?? null,
        minutes_from_commit: round(
          Object.values(stages).reduce((sum, minutes) => sum + minutes, 0),
          1,
        ),
      },
      calibration,
    })}\n`,
  );
}

function krakenCase() {
  const hosts = 2_600;
  const { sorted, bound } = swarmOf({
    ...{ sizeBytes: 3 * GB, pieceLength: pieceLengthFor(3 * GB), payloadShare: 1 },
    // Its figures are of what the program may send, so there is nothing to take off for headers.
    hosts: Array.from({ length: hosts + 1 }, () => ({ rate: 300e6, rack: undefined, startAt: 0 })),
    random: seededRandom(1),
  });
  const at = (share: number) => round(sorted[Math.ceil(sorted.length * share) - 1] ?? Number.POSITIVE_INFINITY, 2);
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), last: at(1), share_of_bound: round(bound / at(1), 3) };
}

function dragonflyCase() {
  const rate = (10 * GB) / 102.6;
  const { sorted, bound } = swarmOf({
    ...{ sizeBytes: 10 * GB, pieceLength: pieceLengthFor(10 * GB), payloadShare: 1 },
    hosts: Array.from({ length: 991 }, () => ({ rate, rack: undefined, startAt: 0 })),
    random: seededRandom(2),
  });
  const last = sorted.at(-1) ?? Number.POSITIVE_INFINITY;
  return { last: round(last, 1), share_of_bound: round(bound / last, 3) };
}

/** Racks of 40 with 10 Gbit/s; 1 % of the machines die on the way and as many come late; 2 % have a tenth of the rate. */
function regionCase(machines: number, seed: number) {
  const random = seededRandom(100 + seed);
  const sizeBytes = 10 * GB;
  const rate = 1e9 / 8;
  const bound = sizeBytes / rate;
  const hosts: HostSetting[] = [{ rate, rack: undefined, startAt: 0 }];
  const isHealthy: boolean[] = [false];
  for (let index = 0; index < machines; index += 1) {
    const [fate, isSlow] = [random(), random() < 0.02];
    hosts.push({
      rate: isSlow ? rate / 10 : rate,
      rack: `rack-${Math.floor(index / 40)}`,
      startAt: fate > 0.01 && fate < 0.02 ? random() * bound : random(),
      ...(fate < 0.01 && { endAt: random() * bound }),
    });
    isHealthy.push(!isSlow && fate >= 0.01);
  }
  const pieceLength = pieceLengthFor(sizeBytes);
  const outcome = simulate({
    ...usualTimings,
    sizeBytes,
    pieceLength,
    payloadShare,
    hosts,
    rackRate: 10e9 / 8,
    random,
  });
  const healthy = outcome.seconds.filter((_, index) => isHealthy[index]) as number[];
  const all = outcome.seconds.filter((seconds) => seconds !== undefined);
  const last = Math.max(...healthy);
  return {
    boundSeconds: bound,
    lastHealthySeconds: round(last, 1),
    lastSeconds: round(Math.max(...all.slice(1)), 1),
    share_of_bound: round(bound / last, 3),
    seedCopies: round(outcome.seedCopies, 2),
    crossings: round(outcome.crossings, 2),
  };
}

/** The plain case of `swarm-shaped`, foretold. */
function shapedCase(): number {
  const sizeBytes = 128 * MiB;
  const { sorted } = swarmOf({
    ...{ sizeBytes, pieceLength: pieceLengthFor(sizeBytes), payloadShare },
    hosts: Array.from({ length: 16 }, () => ({ rate: 50e6 / 8, rack: undefined, startAt: 0 })),
    random: seededRandom(3),
  });
  return round(sorted.at(-1) ?? Number.POSITIVE_INFINITY, 2);
}

async function measureShaped(given: string | undefined): Promise<number | null> {
  if (given !== undefined) return Number(given);
  const { measurePlain } = await import('./swarm-shaped.bench.ts');
  return measurePlain();
}

function swarmOf(setting: Omit<Setting, keyof typeof usualTimings>): { sorted: number[]; bound: number } {
  const { seconds } = simulate({ ...usualTimings, ...setting });
  const { sizeBytes, hosts } = setting;
  const slowest = Math.min(...hosts.map(({ rate }) => rate));
  const sorted = seconds.slice(1).map((one) => one ?? Number.POSITIVE_INFINITY);
  return { sorted: sorted.sort((a, b) => a - b), bound: sizeBytes / slowest };
}

/** Minutes of a deployment of 10 GB; all but the swarm are assumed, at what the other benches show or a link allows. */
function stagesOf(buildMinutes: number, swarmSeconds: number) {
  return {
    'the recipe (assumed)': buildMinutes,
    'cut, compress, sign, upload at 150 MB/s (assumed)': round(10_000 / 150 / 60, 1),
    'to all regions at once at 1 Gbit/s, read back (assumed)': round((2 * 80) / payloadShare / 60, 1),
    'to the hubs at 1 Gbit/s (assumed)': round(80 / payloadShare / 60, 1),
    'the swarm, to the last machine, slow ones too (simulated)': round(swarmSeconds / 60, 1),
    'swap and health (assumed)': 1,
  };
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));
