import { Command, Option } from 'commander';
import { parseProject, periodOf, periodOptions, type TimeOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { describeTrends } from '../views/trends-view.ts';

interface TrendsOptions {
  project?: string;
  from?: TimeOption;
  to?: TimeOption;
  bucket: 'day' | 'week';
}

/** `starling trends`: how often, how well and how fast is delivered. */
export function trendsCommand(open: OpenSession): Command {
  const [from, to] = periodOptions('ended', '30d');
  return new Command('trends')
    .description('how often is deployed, how well, how fast, and how long each stage takes')
    .addOption(new Option('--project <project>', 'only of this project').argParser(parseProject))
    .addOption(from)
    .addOption(to)
    .addOption(new Option('--bucket <length>', 'a line for each').choices(['day', 'week']).default('day'))
    .action(async (options: TrendsOptions, command: Command) => {
      const session = open(command);
      const { project, bucket } = options;
      const trends = await (await session.api()).history.trends.query({
        bucket,
        ...(project !== undefined && { project }),
        ...periodOf(options, session.clock.now()),
      });
      const { outInk: ink, terminal } = session;
      session.print(trends, () =>
        describeTrends(trends, { of: project ?? 'all projects', bucket, ink, columns: terminal.out.columns }),
      );
    });
}
