import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Pack } from '@starling/shared/manifest.ts';
import { aria2 } from './swarm/aria2.ts';
import { type Contestant, usageOf } from './swarm/contestant.ts';
import { cannotShape, type Hosts, type Shape, shapedHosts } from './swarm/hosts.ts';
import { libtorrent, libtorrentSuperSeeding } from './swarm/libtorrent.ts';
import { fill, memoryFolder, presentOf, sha256Of, writePack } from './swarm/race-files.ts';
import { starling } from './swarm/starling.ts';
import { transmission } from './swarm/transmission.ts';

// Sixteen hosts in network namespaces, each behind a link that is shaped to the same rate both ways; one of them has the
// pack. How long until the last one has it, as a share of the time that no way of sending can beat.

const MiB = 1024 * 1024;
const contestants: Contestant[] = [starling, libtorrent, libtorrentSuperSeeding, aria2, transmission];
const raceTimeoutMs = 240_000;
const cases = ['plain', 'faults', 'rack'] as const;
type Case = (typeof cases)[number];

interface Measured {
  contestant: string;
  case: Case;
  /** Of those that are not at fault. */
  lastSeconds: number;
  medianSeconds: number;
  shareOfBound: number;
  seedCopies: number;
  cpuSeconds: number;
  /** Bytes that came into the rack, headers and all, for each byte of the pack. */
  rackCopies: number | null;
}

export async function run(commandLine: string[]): Promise<void> {
  const names = contestants.map(({ name }) => name).join(',');
  const { values } = parseArgs({
    args: commandLine,
    options: {
      mebibytes: { type: 'string', default: '128' },
      hosts: { type: 'string', default: '16' },
      mbits: { type: 'string', default: '50' },
      'rack-mbits': { type: 'string', default: '100' },
      rounds: { type: 'string', default: '1' },
      cases: { type: 'string', default: cases.join(',') },
      only: { type: 'string', default: names },
      'only-with-faults': { type: 'string', default: 'starling,libtorrent' },
      folder: { type: 'string', default: await memoryFolder() },
    },
  });
  const why = await cannotShape();
  if (why) {
    process.stderr.write(`\n*** swarm-shaped CANNOT RUN HERE: ${why} ***\n\n`);
    process.exit(1);
  }
  const folder = await mkdtemp(join(values.folder, 'starling-shaped-bench-'));
  const setting = {
    hosts: Number(values.hosts),
    mbits: Number(values.mbits),
    rackMbits: Number(values['rack-mbits']),
  };
  try {
    const { present, versions } = await presentOf(contestants, values.only.split(','));
    const seedFile = join(folder, 'pack');
    const pack = await writePack(seedFile, Number(values.mebibytes) * MiB);
    const measured: Measured[] = [];
    for (const one of cases.filter((name) => values.cases.split(',').includes(name))) {
      const racing = present.filter(
        ({ name }) => one !== 'faults' || values['only-with-faults'].split(',').includes(name),
      );
      for (let round = 0; round < Number(values.rounds); round += 1) {
        for (const contestant of racing) {
          const result = await race(contestant, one, setting, folder, seedFile, pack);
          measured.push(result);
          process.stderr.write(`${JSON.stringify(result)}\n`);
        }
      }
    }
    print(measured, boundSeconds(pack, setting.mbits), versions, setting);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How long the last of 16 takes with Starling, in seconds; null where hosts cannot be had. */
export async function measurePlain(): Promise<number | null> {
  const why = await cannotShape();
  if (why) {
    process.stderr.write(`\n*** swarm-shaped CANNOT RUN HERE: ${why} ***\n\n`);
    return null;
  }
  const folder = await mkdtemp(join(await memoryFolder(), 'starling-shaped-bench-'));
  try {
    const pack = await writePack(join(folder, 'pack'), 128 * MiB);
    const setting = { hosts: 16, mbits: 50, rackMbits: 100 };
    return (await race(starling, 'plain', setting, folder, join(folder, 'pack'), pack)).lastSeconds;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every byte must leave the seed once, and reach every host, at the rate of one link. */
const boundSeconds = (pack: Pack, mbits: number) => (pack.sizeBytes * 8) / (mbits * 1e6);

async function race(
  contestant: Contestant,
  name: Case,
  setting: { hosts: number; mbits: number; rackMbits: number },
  base: string,
  seedFile: string,
  pack: Pack,
): Promise<Measured> {
  const { mbits, hosts: count, rackMbits } = setting;
  const bound = boundSeconds(pack, mbits);
  const receivers = count - 1;
  // Two receivers are at fault: one is killed half-way, one has a tenth of the rate.
  const [killed, slow] = name === 'faults' ? [receivers - 1, receivers - 2] : [-1, -1];
  const shape: Shape = {
    mbits,
    ...(name === 'rack' && { rackFrom: Math.ceil(count / 2), rackMbits }),
    ...(slow >= 0 && { slow: { [slow + 1]: mbits / 10 } }),
  };
  const folder = await mkdtemp(join(base, `${contestant.name}-`));
  const targets = Array.from({ length: receivers }, (_, index) => join(folder, `receiver-${index}`, 'pack'));
  for (const target of targets) {
    await mkdir(dirname(target));
    await fill(target, pack.sizeBytes);
  }
  const hosts: Hosts = await shapedHosts(count, shape);
  try {
    const racers = await contestant.start({ folder, seedFile, pack, targets, hosts: hosts.hosts, own: hosts.own });
    try {
      const rackAtStart = name === 'rack' ? await hosts.rackBytes() : 0;
      const already = await usageOf(racers.pids());
      const startedAt = performance.now();
      const seconds = racers.go().map(async (complete, index) => {
        await complete;
        return { index, seconds: (performance.now() - startedAt) / 1_000 };
      });
      for (const one of seconds) one.catch(() => undefined);
      const killing = killed >= 0 ? setTimeout(() => racers.kill(killed), (bound / 2) * 1_000) : undefined;
      const healthy = await within(
        raceTimeoutMs,
        Promise.all(seconds.filter((_, index) => index !== killed && index !== slow)),
      );
      clearTimeout(killing);
      const used = await usageOf(racers.pids().filter((_, index) => index !== killed + 1 || killed < 0));
      const rackCopies = name === 'rack' ? ((await hosts.rackBytes()) - rackAtStart) / pack.sizeBytes : null;
      const seedCopies = (await racers.seedSentBytes()) / pack.sizeBytes;
      await racers.stop();
      for (const { index } of healthy ?? [])
        if ((await sha256Of(targets[index] ?? '')) !== pack.sha256)
          throw new Error(`${contestant.name}: receiver ${index} has other bytes`);
      const sorted = (healthy ?? []).map((one) => one.seconds).sort((a, b) => a - b);
      const last = sorted.at(-1) ?? Number.POSITIVE_INFINITY;
      return {
        contestant: contestant.name,
        case: name,
        lastSeconds: round(last, 2),
        medianSeconds: round(sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY, 2),
        shareOfBound: round(bound / last, 3),
        seedCopies: round(seedCopies, 3),
        cpuSeconds: round(used.cpuSeconds - already.cpuSeconds, 1),
        rackCopies: rackCopies === null ? null : round(rackCopies, 3),
      };
    } finally {
      await racers.stop();
    }
  } finally {
    await hosts.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function print(
  measured: readonly Measured[],
  bound: number,
  versions: Record<string, string>,
  setting: Record<string, number>,
): void {
  const rows = [...Map.groupBy(measured, (one) => `${one.case} ${one.contestant}`).values()].map(
    (rounds) => rounds.toSorted((a, b) => a.lastSeconds - b.lastSeconds)[Math.floor((rounds.length - 1) / 2)],
  ) as Measured[];
  console.table(rows);
  const of = (name: Case) => {
    const own = rows.find((row) => row.case === name && row.contestant === 'starling');
    const others = rows.filter((row) => row.case === name && row.contestant !== 'starling');
    const best = others.toSorted((a, b) => a.lastSeconds - b.lastSeconds)[0];
    return {
      share_of_bound: own?.shareOfBound ?? null,
      last_seconds: own?.lastSeconds ?? null,
      ratio_vs_best_peer: own && best ? round(best.lastSeconds / own.lastSeconds, 2) : null,
      seed_copies: own?.seedCopies ?? null,
      ...(name === 'rack' && { uplink_copies: own?.rackCopies ?? null }),
      peers: Object.fromEntries(
        others.map(({ contestant, lastSeconds, shareOfBound, seedCopies, rackCopies }) => [
          contestant,
          { lastSeconds, shareOfBound, seedCopies, ...(rackCopies !== null && { rackCopies }) },
        ]),
      ),
    };
  };
  process.stdout.write(
    `${JSON.stringify({
      bench: 'swarm-shaped',
      ...setting,
      bound_seconds: round(bound, 2),
      ...of('plain'),
      with_faults: of('faults'),
      rack: of('rack'),
      versions,
    })}\n`,
  );
}
