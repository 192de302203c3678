import { type IdentityKind, identityKinds } from '@starling/shared/permissions.ts';
import { Command, Option } from 'commander';
import type { Api } from '../client.ts';
import { limitOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, marked, timeAgo } from '../terminal/wording.ts';

type Identity = Awaited<ReturnType<Api['identities']['list']['query']>>[number];

interface IdentitiesOptions {
  kind?: IdentityKind;
  region?: string;
  revoked?: true;
  limit: number;
}

const perPage = 500;

/** `starling identities`: the hubs, workers and agents that are known. */
export function identitiesCommand(open: OpenSession): Command {
  return new Command('identities')
    .description('the hubs, workers and agents that have enrolled')
    .addOption(new Option('--kind <kind>', 'only these').choices(identityKinds))
    .option('--region <region>', 'only those of this region')
    .option('--revoked', 'only those that were shut out')
    .addOption(limitOption(100, 200_000))
    .action(async (options: IdentitiesOptions, command: Command) => {
      const session = open(command);
      const { rows, more } = await readIdentities(await session.api(), options);
      const { outInk: ink, clock, terminal } = session;
      const nowMs = clock.now();
      session.print(rows, () =>
        formatTable(
          [{ title: 'KIND' }, { title: 'NAME' }, { title: 'REGION' }, { title: 'STATE' }, { title: 'ENROLLED' }],
          rows.map((row) => [
            row.kind,
            row.name,
            row.region ?? '',
            row.revokedAt
              ? marked('warn', `revoked by ${oneLine(row.revokedBy ?? '')} ${timeAgo(row.revokedAt, nowMs)}`, ink)
              : marked('good', 'enrolled', ink),
            `${timeAgo(row.enrolledAt, nowMs)}${row.invitation === null ? '' : `, token ${row.invitation}`}`,
          ]),
          { columns: terminal.out.columns, paint: ink.paint },
        ),
      );
      if (more) session.suggest(`There are more; --limit shows more than ${counted(options.limit, 'row')}.`);
    });
}

/** Pages through the identities until `limit` are found; `more` when there are others. */
async function readIdentities(api: Api, options: IdentitiesOptions): Promise<{ rows: Identity[]; more: boolean }> {
  const { kind, region, revoked, limit } = options;
  const rows: Identity[] = [];
  while (rows.length <= limit) {
    const wanted = Math.min(perPage, limit + 1 - rows.length);
    const last = rows.at(-1);
    const page = await api.identities.list.query({
      limit: wanted,
      ...(kind !== undefined && { kind }),
      ...(region !== undefined && { region }),
      ...(revoked && { revoked }),
      ...(last && { after: `${last.kind}/${last.name}` }),
    });
    rows.push(...page);
    if (page.length < wanted) break;
  }
  return { rows: rows.slice(0, limit), more: rows.length > limit };
}
