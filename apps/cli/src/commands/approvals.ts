import { Command } from 'commander';
import { deploymentArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling approvals`: what people have to decide. */
export function approvalsCommand(open: OpenSession): Command {
  return new Command('approvals')
    .description('deployments that wait for approval, and whether yours would count')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const waiting = await (await session.api()).approvals.waiting.query();
      const rows = waiting.filter(({ asksForApproval }) => asksForApproval);
      const nowMs = session.clock.now();
      session.print(rows, () =>
        formatTable(
          [
            { title: 'DEPLOYMENT', align: 'right' },
            { title: 'BUILD' },
            { title: 'ASKED FOR' },
            { title: 'STANDS' },
            { title: 'YOU' },
          ],
          rows.map((row) => [
            String(row.id),
            row.buildId,
            `${timeAgo(row.createdAt, nowMs)} by ${oneLine(row.requestedBy)}`,
            oneLine(row.holding.find(({ gate }) => gate === 'approvals')?.detail ?? ''),
            row.mine?.toLowerCase() ?? row.whyNotMine ?? 'You may decide.',
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
      const first = rows.find(({ mine, whyNotMine }) => mine === null && whyNotMine === null);
      if (first)
        session.suggest(`say yes or no: starling approve ${first.id}, starling reject ${first.id} --comment <why>`);
    });
}

export const approveCommand = (open: OpenSession): Command =>
  voiceCommand(
    open,
    'approve',
    'say yes to a deployment that waits; your own does not count twice, nor for your own work',
  );
export const rejectCommand = (open: OpenSession): Command =>
  voiceCommand(open, 'reject', 'say no to a deployment that waits; one no ends it');

function voiceCommand(open: OpenSession, verb: 'approve' | 'reject', description: string): Command {
  return new Command(verb)
    .description(description)
    .addArgument(deploymentArgument())
    .option('--comment <text>', 'why, for those who read the history')
    .action(async (id: number, options: { comment?: string }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const input = { id, ...(options.comment && { comment: options.comment }) };
      const said = await (verb === 'approve'
        ? api.approvals.approve.mutate(input)
        : api.approvals.reject.mutate(input));
      session.print(said, () => `Deployment ${id}: ${said.decision.toLowerCase()} by ${said.approver}.\n`);
      if (said.note) session.say(said.note);
      session.suggest(`see how it stands: starling deployment ${id}`);
    });
}
