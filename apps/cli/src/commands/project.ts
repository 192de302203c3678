import { Command } from 'commander';
import { parseProject } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';
import { projectSettingsCommand } from './project-settings.ts';

/** `starling project add`, `list` and `settings`. */
export function projectCommand(open: OpenSession): Command {
  const project = new Command('project').description('the applications that are built and deployed');

  project
    .command('add')
    .description('tell Starling of an application; its repository is asked at once whether it is there')
    .argument('<name>', 'lower-case letters, digits and hyphens', parseProject)
    .argument('<repository>', 'any URL that git fetches from, or an absolute path on the server')
    .option('--ref <ref>', 'what is built when a build names no commit (default: HEAD)')
    .option('--binary <name>', "what the binary is called on the machines (default: the project's name)")
    .action(
      async (name: string, repositoryUrl: string, options: { ref?: string; binary?: string }, command: Command) => {
        const session = open(command);
        const api = await session.api();
        const added = await api.projects.add.mutate({
          name,
          repositoryUrl,
          ...(options.ref !== undefined && { defaultRef: options.ref }),
          ...(options.binary !== undefined && { binaryName: options.binary }),
        });
        session.print(
          added,
          () => `Project ${added.name} builds ${oneLine(added.repositoryUrl)} (${oneLine(added.defaultRef)}).\n`,
        );
        session.suggest(`build it: starling build ${added.name} --wait`);
      },
    );

  project
    .command('list')
    .description('every project, by name')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const projects = await (await session.api()).projects.list.query();
      const nowMs = session.clock.now();
      session.print(projects, () =>
        formatTable(
          [{ title: 'PROJECT' }, { title: 'REF' }, { title: 'BINARY' }, { title: 'ADDED' }, { title: 'REPOSITORY' }],
          projects.map((row) => [
            row.name,
            oneLine(row.defaultRef),
            oneLine(row.binaryName),
            `${timeAgo(row.createdAt, nowMs)} by ${oneLine(row.createdBy)}`,
            oneLine(row.repositoryUrl),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
      if (projects.length === 0) session.suggest('add one: starling project add <name> <repository>');
    });

  project.addCommand(projectSettingsCommand(open));
  return project;
}
