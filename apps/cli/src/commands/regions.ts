import { Command } from 'commander';
import type { Api } from '../client.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { marked, timeAgo } from '../terminal/wording.ts';

type Region = Awaited<ReturnType<Api['regions']['list']['query']>>[number];

/** `starling regions`: machines, hubs, store and version keys of each region. */
export function regionsCommand(open: OpenSession): Command {
  return new Command('regions')
    .description('the regions: their machines and hubs, what their stores lack, whether their keys are reached')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const regions = await (await session.api()).regions.list.query();
      const { outInk: ink, clock, terminal } = session;
      const nowMs = clock.now();
      session.print(regions, () =>
        formatTable(
          [{ title: 'REGION' }, { title: 'MACHINES' }, { title: 'HUBS' }, { title: 'STORE' }, { title: 'KEYS' }],
          regions.map((region) => [
            region.region,
            `${region.online} of ${region.machines} online`,
            region.hubs.map(({ hub, heardAt }) => `${oneLine(hub)} (${timeAgo(heardAt, nowMs)})`).join(', ') || 'none',
            storeText(region, (text, good) => marked(good ? 'good' : 'warn', text, ink)),
            region.keysError === null
              ? marked('good', String(region.keys.length), ink)
              : marked('warn', oneLine(region.keysError), ink),
          ]),
          { columns: terminal.out.columns, paint: ink.paint },
        ),
      );
    });
}

function storeText({ store }: Region, mark: (text: string, good: boolean) => string): string {
  const missing = store.pending + store.copying + store.failed;
  if (missing === 0) return mark('has every build', true);
  const failed = store.failed > 0 ? `, ${store.failed} failed: ${oneLine(store.lastFailure ?? '')}` : '';
  return mark(`lacks ${missing} ${missing === 1 ? 'build' : 'builds'}${failed}`, store.failed === 0);
}
