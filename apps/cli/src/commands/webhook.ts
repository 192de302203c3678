import { Command } from 'commander';
import { limitOption, projectArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling webhook secret` and `deliveries`. */
export function webhookCommand(open: OpenSession): Command {
  const webhook = new Command('webhook').description('pushes and merges that start builds');

  webhook
    .command('secret')
    .description("a project's webhook secret on stdout; where to send events on stderr")
    .addArgument(projectArgument('<project>'))
    .option('--rotate', 'make another one; the one before is worthless at once')
    .action(async (project: string, options: { rotate?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const answer = await api.webhooks.secret.mutate({ project, rotate: options.rotate ?? false });
      session.print(answer, () => `${answer.secret}\n`);
      for (const [source, address] of Object.entries(answer.addresses))
        session.suggest(`${source.padEnd(6)} ${address}`);
    });

  webhook
    .command('deliveries')
    .description('the events that came for a project, and what was done about them')
    .addArgument(projectArgument('<project>'))
    .addOption(limitOption(20, 200))
    .action(async (project: string, options: { limit: number }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const deliveries = await api.webhooks.deliveries.query({ project, limit: options.limit });
      const nowMs = session.clock.now();
      session.print(deliveries, () =>
        formatTable(
          [{ title: 'RECEIVED' }, { title: 'FROM' }, { title: 'EVENT' }, { title: 'JOBS' }, { title: 'WHAT WAS DONE' }],
          deliveries.map((delivery) => [
            timeAgo(delivery.receivedAt, nowMs),
            delivery.source,
            oneLine(delivery.event),
            delivery.jobs.join(','),
            oneLine(delivery.outcome),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
      if (deliveries.length === 0) session.suggest(`set one up: starling webhook secret ${project}`);
    });

  return webhook;
}
