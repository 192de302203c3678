import { formatBytes, formatDuration } from '@starling/shared/durations.ts';
import { describeSources, shareSteps, slowReasonTitles } from '@starling/shared/swarm-view.ts';
import type { Api } from '../client.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, type Ink, percent, statusText, timeAgo } from '../terminal/wording.ts';

export type Swarm = Awaited<ReturnType<Api['swarm']['get']['query']>>;
type View = NonNullable<Swarm['view']>;
type Explained = Awaited<ReturnType<Api['swarm']['machine']['query']>>;

const rate = (bytesPerSecond: number) => `${formatBytes(Math.round(bytesPerSecond))}/s`;
const machinesOf = ({ shares }: Pick<View, 'shares'>) => shares.reduce((sum, count) => sum + count, 0);
const completeOf = ({ shares }: Pick<View, 'shares'>) => shares[shareSteps - 1] ?? 0;
const rackName = (rack: string) => oneLine(rack) || '(no rack)';

const levels = { unicode: ' ▁▂▃▄▅▆▇█', plain: ' .:-=+*#@' };

/** A bar for each tenth, as high as its share of the machines; what has machines in it is never empty. */
function histogram(shares: readonly number[], { unicode }: Ink): string {
  const signs = unicode ? levels.unicode : levels.plain;
  const all = shares.reduce((sum, count) => sum + count, 0);
  const level = (count: number) => (count === 0 ? 0 : Math.max(1, Math.round((count / all) * (signs.length - 1))));
  return `[${shares.map((count) => signs[level(count)]).join('')}]`;
}

/** What is seen of a swarm, region by region, rack by rack, and its slowest machines. */
export function describeSwarm(swarm: Swarm, ink: Ink, nowMs: number, columns: number | undefined): string {
  const { view, regions, deployment, build, status } = swarm;
  const head =
    deployment === null || status === null
      ? `${build} was not deployed yet\n`
      : `deployment ${deployment} of ${build}  ${statusText(status, ink)}\n`;
  if (!view) return `${head}\nNothing moved: every machine had it, none has begun, or it is over for an hour.\n`;
  const options = { columns, paint: ink.paint };
  const count = { align: 'right' } as const;
  const row = (name: string, of: View) => [
    name,
    percent(of.bytesDone, of.bytesTotal),
    String(machinesOf(of)),
    String(completeOf(of)),
    rate(of.bytesPerSecond),
    histogram(of.shares, ink),
  ];
  const table = formatTable(
    [
      { title: 'REGION' },
      { title: 'HERE', ...count },
      { title: 'MACHINES', ...count },
      { title: 'COMPLETE', ...count },
      { title: 'NOW', ...count },
      { title: 'BY TENTHS, LAST: ALL' },
    ],
    [...regions.map((region) => row(region.region, region)), ...(regions.length > 1 ? [row('all', view)] : [])],
    options,
  );
  const facts = [`bytes came: ${describeSources(view.sources) || 'none so far'}`];
  if (view.wrongPieces > 0) facts.push(`${counted(view.wrongPieces, 'piece')} with wrong bytes, fetched again`);
  const { measured } = view;
  if (measured.machines > 0)
    facts.push(
      `a machine took ${formatDuration(measured.medianMs)} at ${rate(measured.medianBytesPerSecond)} (the median of ${measured.machines})`,
    );
  const stale = regions.filter(({ shares, isLive }) => !isLive && shares.slice(0, -1).some((machines) => machines > 0));
  for (const { region, saidAt } of stale)
    if (status === 'RUNNING') facts.push(ink.paint('warn', `${region}: its hub last spoke ${timeAgo(saidAt, nowMs)}`));
  return [`${head}\n${table}\n${facts.map((fact) => `${fact}\n`).join('')}`, ...rackTable(), ...slowTable()].join('\n');

  function rackTable(): string[] {
    const racks = regions.flatMap((region) => region.racks.map((rack) => ({ region: region.region, ...rack })));
    if (racks.length <= regions.length && racks.every(({ rack }) => rack === '')) return [];
    const shown = racks.slice(0, mostRacksShown);
    const left = racks.length - shown.length + view!.racksLeftOut;
    const text = formatTable(
      [
        { title: 'RACK' },
        { title: 'REGION' },
        { title: 'MACHINES', ...count },
        { title: 'COMPLETE', ...count },
        { title: 'NOW', ...count },
        { title: 'BY TENTHS, LAST: ALL' },
      ],
      shown.map((rack) => [
        rackName(rack.rack),
        rack.region,
        String(machinesOf(rack)),
        String(completeOf(rack)),
        rate(rack.bytesPerSecond),
        histogram(rack.shares, ink),
      ]),
      options,
    );
    return [left > 0 ? `${text}and ${counted(left, 'rack')} more, further along\n` : text];
  }

  function slowTable(): string[] {
    if (view!.slowest.length === 0) return [];
    return [
      formatTable(
        [
          { title: 'SLOWEST' },
          { title: 'RACK' },
          { title: 'HERE', ...count },
          { title: 'NOW', ...count },
          { title: 'TO GO', ...count },
          { title: 'WHY' },
        ],
        view!.slowest
          .slice(0, mostSlowShown)
          .map((slow) => [
            slow.machine,
            rackName(slow.rack),
            percent(slow.bytesDone, slow.bytesTotal),
            rate(slow.bytesPerSecond),
            slow.bytesPerSecond > 0
              ? formatDuration(((slow.bytesTotal - slow.bytesDone) / slow.bytesPerSecond) * 1_000)
              : '',
            slowReasonTitles[slow.reason],
          ]),
        options,
      ),
    ];
  }
}

const mostRacksShown = 12;
const mostSlowShown = 10;

/** A machine's fetches in plain words, the newest first. */
export function explainMachine({ machine, region, rack, hub, fetches }: Explained, nowMs: number): string {
  const where = `${machine} is in ${region}${rack === null ? '' : `, rack ${oneLine(rack)}`}, at the hub ${hub}.`;
  const told = fetches.filter(({ bytesTotal }) => bytesTotal > 0);
  const [newest] = fetches;
  if (!newest) return `${where}\nIt has said nothing about any deployment.\n`;
  if (told.length === 0) return `${where}\nIt fetched nothing for its last deployments: it had all bytes.\n`;
  const [fetch, ...earlier] = told as [Explained['fetches'][number], ...Explained['fetches']];
  const lines = [where];
  const { step, build, deployment, bytesDone, bytesTotal, bytesPerSecond, account, why, detail } = fetch;
  if (fetch !== newest)
    lines.push(`For deployment ${newest.deployment} of ${newest.build} it is ${newest.step}, without fetching.`);
  if (why !== null) {
    const leftMs = bytesPerSecond > 0 ? ((bytesTotal - bytesDone) / bytesPerSecond) * 1_000 : undefined;
    lines.push(
      `It fetches ${build} for deployment ${deployment}: ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)} (${percent(bytesDone, bytesTotal)}) at ${rate(bytesPerSecond)}${leftMs === undefined ? '' : `, about ${formatDuration(leftMs)} to go`}.`,
    );
    if (fetch.usualBytesPerSecond !== null)
      lines.push(`The machines of its region that still fetch have ${rate(fetch.usualBytesPerSecond)} in the mean.`);
    lines.push(why);
  } else {
    lines.push(
      `For deployment ${deployment} of ${build} it fetched ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}; it is ${step} (${timeAgo(fetch.updatedAt, nowMs)}).`,
    );
  }
  if (detail) lines.push(`It says: ${oneLine(detail)}`);
  if (account) {
    const from = describeSources(account.sources);
    if (from) lines.push(`So far: ${from}.`);
    if (why !== null)
      lines.push(
        `It is connected to ${counted(account.lanes, 'member')} of the swarm; ${account.useful} of them have what it lacks, and it has asked for ${counted(account.asked, 'piece')}.`,
      );
    if (account.wrongPieces > 0) lines.push(`${counted(account.wrongPieces, 'piece')} came with wrong bytes.`);
  }
  for (const other of earlier)
    lines.push(
      `Before: deployment ${other.deployment} of ${other.build}, ${formatBytes(other.bytesDone)}${other.account ? ` (${describeSources(other.account.sources)})` : ''}, ${other.step}.`,
    );
  return `${lines.join('\n')}\n`;
}
