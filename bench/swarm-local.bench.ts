import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Pack } from '@starling/shared/manifest.ts';
import { aria2 } from './swarm/aria2.ts';
import { type Contestant, type Usage, usageOf } from './swarm/contestant.ts';
import { libtorrent } from './swarm/libtorrent.ts';
import { fill, memoryFolder, presentOf, sha256Of, writePack } from './swarm/race-files.ts';
import { starling, starlingEncrypted } from './swarm/starling.ts';
import { transmission } from './swarm/transmission.ts';

// One seeder to one and to four receivers on loopback, each a process, the whole path: fetched, verified, written. The
// contestants take turns, so that an hour with other work on the machine is as bad for one as for the other.

const MiB = 1024 * 1024;
const contestants: Contestant[] = [starling, starlingEncrypted, libtorrent, aria2, transmission];

interface Measured extends Usage {
  contestant: string;
  receivers: number;
  seconds: number;
  seedCopies: number;
}

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: {
      mebibytes: { type: 'string', default: '1024' },
      rounds: { type: 'string', default: '3' },
      receivers: { type: 'string', default: '1,4' },
      only: { type: 'string', default: contestants.map(({ name }) => name).join(',') },
      folder: { type: 'string', default: await memoryFolder() },
      fresh: { type: 'boolean', default: false },
    },
  });
  const folder = await mkdtemp(join(values.folder, 'starling-swarm-bench-'));
  try {
    const { present, versions } = await presentOf(contestants, values.only.split(/,(?! )/));
    const seedFile = join(folder, 'pack');
    const pack = await writePack(seedFile, Number(values.mebibytes) * MiB);
    const measured: Measured[] = [];
    for (const receivers of values.receivers.split(',').map(Number)) {
      for (let round = 0; round < Number(values.rounds); round += 1) {
        for (const contestant of present) {
          const result = await race(contestant, receivers, folder, seedFile, pack, values.fresh);
          measured.push(result);
          process.stderr.write(`${describe(result, pack)}\n`);
        }
      }
    }
    print(measured, pack, versions);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function race(
  contestant: Contestant,
  receivers: number,
  base: string,
  seedFile: string,
  pack: Pack,
  isFresh: boolean,
): Promise<Measured> {
  // Members are told of files by line, word by word.
  const folder = await mkdtemp(join(base, `${contestant.name.replaceAll(/\W+/g, '-')}-`));
  const targets = Array.from({ length: receivers }, (_, index) => join(folder, `receiver-${index}`, 'pack'));
  for (const target of targets) {
    await mkdir(dirname(target));
    await fill(target, pack.sizeBytes);
  }
  if (isFresh) for (const target of targets) await rm(target);
  const racers = await contestant.start({ folder, seedFile, pack, targets });
  try {
    const already = await usageOf(racers.pids());
    const startedAt = performance.now();
    await Promise.all(racers.go());
    const seconds = (performance.now() - startedAt) / 1_000;
    const used = await usageOf(racers.pids());
    const seedCopies = (await racers.seedSentBytes()) / pack.sizeBytes;
    await racers.stop();
    for (const target of targets)
      if ((await sha256Of(target)) !== pack.sha256) throw new Error(`${contestant.name}: ${target} is not the pack`);
    return {
      contestant: contestant.name,
      receivers,
      seconds,
      cpuSeconds: used.cpuSeconds - already.cpuSeconds,
      peakMb: used.peakMb,
      seedCopies,
    };
  } finally {
    await racers.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const rate = ({ receivers, seconds }: Measured, pack: Pack) => (receivers * pack.sizeBytes) / MiB / seconds;
const cpuPerGib = ({ receivers, cpuSeconds }: Measured, pack: Pack) =>
  cpuSeconds / ((receivers * pack.sizeBytes) / (1024 * MiB));

const describe = (result: Measured, pack: Pack) =>
  `${result.contestant} 1 to ${result.receivers}: ${rate(result, pack).toFixed(0)} MiB/s, ` +
  `${cpuPerGib(result, pack).toFixed(2)} CPU s/GiB, ${result.seedCopies.toFixed(2)} copies, ${result.peakMb} MB`;

function print(measured: readonly Measured[], pack: Pack, versions: Record<string, string>): void {
  const rows = Map.groupBy(measured, ({ contestant, receivers }) => `${receivers} ${contestant}`);
  const medians = [...rows.values()].map((results) => {
    const middle = (of: (result: Measured) => number) =>
      results.map(of).sort((a, b) => a - b)[Math.floor((results.length - 1) / 2)] ?? 0;
    const [first] = results as [Measured];
    return {
      receivers: first.receivers,
      contestant: first.contestant,
      'MiB/s': Math.round(middle((result) => rate(result, pack))),
      'best MiB/s': Math.round(Math.max(...results.map((result) => rate(result, pack)))),
      'CPU s/GiB': Number(middle((result) => cpuPerGib(result, pack)).toFixed(2)),
      'seed copies': Number(middle(({ seedCopies }) => seedCopies).toFixed(3)),
      'peak MB': Math.round(middle(({ peakMb }) => peakMb)),
    };
  });
  console.table(medians);
  const against = (receivers: number) => {
    const these = medians.filter((row) => row.receivers === receivers);
    const own = these.find(({ contestant }) => contestant === 'starling');
    const encrypted = these.find(({ contestant }) => contestant === starlingEncrypted.name);
    const others = these.filter((row) => row !== own && row !== encrypted);
    const best = others.toSorted((a, b) => b['MiB/s'] - a['MiB/s'])[0];
    return {
      ratio_vs_best_peer: own && best ? Number((own['MiB/s'] / best['MiB/s']).toFixed(2)) : null,
      cpu_seconds_per_gib: own?.['CPU s/GiB'] ?? null,
      encrypted: {
        ratio: encrypted && best ? Number((encrypted['MiB/s'] / best['MiB/s']).toFixed(2)) : null,
        cpu_seconds_per_gib: encrypted?.['CPU s/GiB'] ?? null,
      },
      seed_copies: own?.['seed copies'] ?? null,
      mib_per_second: own?.['MiB/s'] ?? null,
      peers: Object.fromEntries(others.map(({ contestant, receivers: _, ...figures }) => [contestant, figures])),
    };
  };
  process.stdout.write(
    `${JSON.stringify({ bench: 'swarm-local', mebibytes: pack.sizeBytes / MiB, ...against(4), one_to_one: against(1), versions })}\n`,
  );
}
