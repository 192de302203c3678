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
  problems?: boolean;
  limit: number;
}

const machinesPerPage = 500;

/** `starling machines`: the hosts of the fleet and what they run. */
export function machinesCommand(open: OpenSession): Command {
  return new Command('machines')
    .description('the machines of the fleet, what they run and what they were told to run')
    .option('--region <region>', 'only those of this region')
    .addOption(new Option('--project <project>', 'only what they say of this project').argParser(parseProject))
    .option('--problems', 'only those that are offline, failed, or run something else than they were told to')
    .addOption(limitOption(100, 200_000))
    .action(async (options: MachinesOptions, command: Command) => {
      const session = open(command);
      const { machines, more } = await readMachines(await session.api(), options);
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
      if (more) session.suggest(`There are more; --limit shows more than ${counted(options.limit, 'machine')}.`);
    });
}

/** Pages through the machines until `limit` are found; `more` when there may be others. */
async function readMachines(
  api: Api,
  { region, project, problems, limit }: MachinesOptions,
): Promise<{ machines: Machine[]; more: boolean }> {
  const found: Machine[] = [];
  let after: string | undefined;
  for (;;) {
    const pageSize = problems ? machinesPerPage : Math.min(machinesPerPage, limit + 1 - found.length);
    const page = await api.machines.list.query({
      limit: pageSize,
      ...(region !== undefined && { region }),
      ...(project !== undefined && { project }),
      ...(after !== undefined && { after }),
    });
    for (const machine of page) {
      if (problems && !hasProblem(machine)) continue;
      if (found.length === limit) return { machines: found, more: true };
      found.push(machine);
    }
    if (page.length < pageSize) return { machines: found, more: false };
    after = page.at(-1)?.id;
  }
}

export function hasProblem(machine: Machine): boolean {
  return (
    !machine.online ||
    machine.projects.some((entry) => entry.step === 'FAILED' || entry.observedBuild !== entry.desiredBuild)
  );
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
