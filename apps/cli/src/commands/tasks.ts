import { Command } from 'commander';
import { deploymentArgument } from '../options.ts';
import type { OpenSession, Session } from '../session.ts';
import { TerminalLog } from '../terminal/log-text.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine, plainPaint } from '../terminal/terminal.ts';
import { statusText, tookText } from '../terminal/wording.ts';

/** `starling tasks`: the commands and webhooks before and after a deployment. */
export function tasksCommand(open: OpenSession): Command {
  return new Command('tasks')
    .description('the tasks before and after a deployment, and what came of them')
    .addArgument(deploymentArgument())
    .option('--log', 'what each of them said, too')
    .action(async (id: number, options: { log?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const tasks = await api.tasks.list.query({ id });
      const logs = options.log
        ? await Promise.all(tasks.map(async (task) => (await api.tasks.log.query({ id, task: task.id })).log))
        : undefined;
      const data = logs ? tasks.map((task, index) => ({ ...task, log: logs[index] })) : tasks;
      const { outInk: ink, clock, terminal } = session;
      const nowMs = clock.now();
      session.print(data, () => {
        const table = formatTable(
          [
            { title: 'TASK' },
            { title: 'WHEN' },
            { title: 'STATUS' },
            { title: 'ATTEMPT', align: 'right' },
            { title: 'TOOK', align: 'right' },
            { title: 'BY' },
            { title: 'WHAT, OR WHY NOT' },
          ],
          tasks.map((task) => [
            oneLine(task.name),
            task.phase.toLowerCase(),
            statusText(task.status, ink),
            `${task.attempts}/${task.maxAttempts}`,
            tookText(task.startedAt, task.finishedAt, nowMs),
            oneLine(task.runner ?? ''),
            oneLine(task.failureReason ?? task.what),
          ]),
          { columns: terminal.out.columns, paint: ink.paint },
        );
        return (
          table +
          (logs ?? []).map((log, index) => `\n-- ${oneLine(tasks[index]!.name)} --\n${fit(log, session)}`).join('')
        );
      });
      if (tasks.length === 0) session.say(`Deployment ${id} has no tasks.`);
      else if (!options.log) session.suggest(`what they said: starling tasks ${id} --log`);
    });
}

function fit(log: string, { terminal: { out } }: Session): string {
  return out.isTerminal ? new TerminalLog(out.paint !== plainPaint).push(log) : log;
}
