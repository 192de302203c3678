import { Command, Option } from 'commander';
import type { Api } from '../client.ts';
import { limitOption, parseProject } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, type Ink, marked, statusText, timeAgo } from '../terminal/wording.ts';

type Machine = Awaited<ReturnType<Api['machines']['list']['query']>>[number];

interface MachinesOptions {
  region?: string;
  project?: string;
  find?: string;
  build?: string;
  state?: MachineState;
  problems?: true;
  limit: number;
}

type MachineState = Machine['state'];
const states = ['failed', 'offline', 'behind', 'done'] as const satisfies MachineState[];
const problems: MachineState[] = ['failed', 'offline', 'behind'];

const machinesPerPage = 500;

/** `starling machines`: the hosts of the fleet and what they run. */
export function machinesCommand(open: OpenSession): Command {
  return new Command('machines')
    .description('the machines of the fleet, what they run and what they were told to run')
    .option('--region <region>', 'only those of this region')
    .addOption(new Option('--project <project>', 'only what they say of this project').argParser(parseProject))
    .option('--find <text>', 'only those whose names begin so, or that have this label, as rack=r7')
    .option('--build <build>', 'only those that run this build')
    .addOption(new Option('--state <state>', 'only those in this state').choices(states))
    .option('--problems', 'only those that are offline, failed, or run something else than they were told to')
    .addOption(limitOption(100, 200_000))
    .action(async (options: MachinesOptions, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const { machines, more } = await readMachines(api, options);
      const { outInk: ink, clock, terminal } = session;
      session.print(machines, () =>
        formatTable(
          [
            { title: 'MACHINE' },
            { title: 'REGION' },
            { title: 'STATE' },
            { title: 'PROJECT' },
            { title: 'STEP' },
            { title: 'RUNS' },
            { title: 'DETAIL' },
          ],
          machines.flatMap((machine) => describeMachine(machine, ink, clock.now())),
          { columns: terminal.out.columns, paint: ink.paint },
        ),
      );
      if (!more) return;
      const counts = await api.machines.counts.query(filterOf(options));
      const found = statesOf(options) ?? states;
      const all = counts.reduce((sum, region) => sum + found.reduce((some, state) => some + region[state], 0), 0);
      session.suggest(`There are more: ${counted(all, 'machine')} in all. --limit shows more than ${options.limit}.`);
    });
}

const filterOf = ({ region, project, find, build }: MachinesOptions) => ({
  ...(region !== undefined && { region }),
  ...(project !== undefined && { project }),
  ...(find !== undefined && { find }),
  ...(build !== undefined && { build }),
});

const statesOf = ({ state, problems: onlyProblems }: MachinesOptions): MachineState[] | undefined =>
  state ? [state] : onlyProblems ? problems : undefined;

/** Reads page by page until `limit` are found, the worst first; `more` when there may be others. */
async function readMachines(api: Api, options: MachinesOptions): Promise<{ machines: Machine[]; more: boolean }> {
  const { limit } = options;
  const found: Machine[] = [];
  const inStates = statesOf(options);
  for (;;) {
    const pageSize = Math.min(machinesPerPage, limit + 1 - found.length);
    const last = found.at(-1);
    const page = await api.machines.list.query({
      order: 'worst',
      limit: pageSize,
      ...filterOf(options),
      ...(inStates && { states: inStates }),
      ...(last && { after: last.id, afterState: last.state }),
    });
    found.push(...page);
    if (found.length > limit) return { machines: found.slice(0, limit), more: true };
    if (page.length < pageSize) return { machines: found, more: false };
  }
}

function describeMachine(machine: Machine, ink: Ink, nowMs: number): string[][] {
  const state = machine.online
    ? marked('good', 'online', ink)
    : marked('warn', `offline, last heard ${timeAgo(machine.lastSeenAt, nowMs)}`, ink);
  const head = [machine.id, machine.region, state];
  if (machine.projects.length === 0) return [[...head, ink.paint('quiet', 'none yet'), '', '', '']];
  return machine.projects.map((entry, index) => [
    ...(index === 0 ? head : ['', '', '']),
    entry.project,
    statusText(entry.step, ink),
    runs(entry),
    oneLine(entry.detail),
  ]);
}

function runs({ observedBuild, desiredBuild }: Machine['projects'][number]): string {
  if (observedBuild === desiredBuild) return observedBuild ?? 'nothing';
  return `${observedBuild ?? 'nothing'}, told ${desiredBuild ?? 'nothing'}`;
}
