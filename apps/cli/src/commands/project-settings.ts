import { readFileSync } from 'node:fs';
import { StarlingError } from '@starling/shared/errors.ts';
import { Command } from 'commander';
import { parseDocument, stringify } from 'yaml';
import { projectArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';

/** `starling project settings`: what is set for a project, as YAML that can be edited and given back. */
export function projectSettingsCommand(open: OpenSession): Command {
  return new Command('settings')
    .description('show what is set for a project (retention, approvals, review, tasks, triggers …), or replace it')
    .addArgument(projectArgument('<project>'))
    .option('--set <file>', 'replace all of it with this YAML or JSON ("-": stdin); what it leaves out has its default')
    .option('--all', 'show the defaults too')
    .action(async (project: string, options: { set?: string; all?: true }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const { settings, written } =
        options.set === undefined
          ? await api.projects.settings.query({ project })
          : await api.projects.configure.mutate({ project, settings: readSettings(options.set) });
      const shown = options.all ? settings : written;
      const isEmpty = Object.keys(shown).length === 0;
      session.print(shown, () =>
        isEmpty ? `# Nothing is set for ${project}: every default holds.\n` : stringify(shown),
      );
      if (isEmpty) session.suggest(`see the defaults: starling project settings ${project} --all`);
    });
}

function readSettings(path: string): unknown {
  const document = parseDocument(readFileSync(path === '-' ? 0 : path, 'utf8'), { uniqueKeys: true });
  const [defect] = document.errors;
  if (defect) throw new StarlingError('INVALID_INPUT', `${path}: ${defect.message}`, { field: 'set', cause: defect });
  return document.toJS({ maxAliasCount: 50 }) ?? {};
}
