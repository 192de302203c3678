import { StarlingError } from '@starling/shared/errors.ts';
import { Command } from 'commander';
import { projectArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { describeOverview, judge, type Overview } from '../views/overview-view.ts';

/** `starling status`: what runs where, with what is wrong first. */
export function statusCommand(open: OpenSession): Command {
  return new Command('status')
    .description('what runs where, what is wrong and what changed last')
    .addArgument(projectArgument('[project]'))
    .action(async (project: string | undefined, _options: object, command: Command) => {
      const session = open(command);
      const overview = narrowTo(project, await (await session.api()).overview.get.query());
      const { outInk, clock, terminal } = session;
      session.print(overview, () => describeOverview(overview, outInk, clock.now(), terminal.out.columns));
      if (overview.projects.length === 0) session.suggest('add one: starling project add <name> <repository>');
      const inTrouble = overview.projects.find((candidate) => judge(candidate).grade === 'bad');
      if (inTrouble) session.suggest(`see which machines: starling machines --problems --project ${inTrouble.name}`);
    });
}

/** The overview of one project alone; NOT_FOUND when it is not there. */
export function narrowTo(project: string | undefined, overview: Overview): Overview {
  if (project === undefined) return overview;
  const projects = overview.projects.filter((candidate) => candidate.name === project);
  if (projects.length > 0) return { ...overview, projects };
  const others = overview.projects.map((candidate) => candidate.name).slice(0, 10);
  throw new StarlingError('NOT_FOUND', `There is no project "${project}".`, {
    field: 'project',
    fix:
      others.length > 0 ? `Projects: ${others.join(', ')}.` : 'Add it with: starling project add <name> <repository>',
  });
}
