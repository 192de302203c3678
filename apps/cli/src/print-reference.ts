import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { exitCodeMeanings } from './exit-codes.ts';
import { buildProgram, inEveryCommand, pathOf } from './program.ts';

// Prints docs/reference/cli.md from the program itself, so that the page cannot fall behind:
//   node apps/cli/src/print-reference.ts > docs/reference/cli.md

/** The reference of the whole command line, in Markdown. */
export function printReference(): string {
  const program = buildProgram(() => {
    throw new Error('the reference runs no command');
  });
  const sections: string[] = [];
  inEveryCommand(program, (command) => {
    const isRun = command.commands.length === 0 || command.registeredArguments.length > 0;
    if (command !== program && isRun) sections.push(describe(command));
  });
  return `# The command line

<!-- Written by apps/cli/src/print-reference.ts. Change the commands, then run it again. -->

${program.description()} In the clone it is started with \`npx starling\`.

Data goes to stdout and everything said on the way to stderr, so output can be piped. With \`--json\` stdout carries JSON alone: the objects of the API, or one object a line for \`watch\` and \`logs\`. Nothing is asked off a terminal. A wait that times out or is interrupted cancels nothing.

## Options of every command

${optionTable(program)}

## Which server, which token

The first of these that is there counts:

| server | token |
|---|---|
| \`--server <url>\` | \`--token-file <path>\` |
| \`STARLING_SERVER\` | \`STARLING_TOKEN\` |
| \`server\` in the user's file | \`tokenFile\` in the user's file, for that server alone |
| a Starling on this machine | its own token, for that server alone |

The user's file is \`~/.config/starling/config.json\` (\`$XDG_CONFIG_HOME/starling/config.json\`; on Windows \`%APPDATA%\\starling\\config.json\`), for example \`{"server": "https://starling.example.com", "tokenFile": "/home/me/.starling-token"}\`. A Starling on this machine is found by \`local.json\` in its data folder (\`STARLING_DATA\`, else the customary place). No flag takes a token itself: other users of the machine could read it.

## Environment

| variable | meaning |
|---|---|
| \`STARLING_SERVER\`, \`STARLING_TOKEN\` | as above |
| \`STARLING_DATA\` | the data folder of the Starling on this machine |
| \`STARLING_DEBUG=1\` | print the stack of an error |
| \`NO_COLOR\`, \`FORCE_COLOR\` | never, or always, use colours; otherwise on a terminal only |

## Exit codes

| code | meaning |
|---|---|
${exitCodeMeanings.map(([code, text]) => `| ${code} | ${text} |`).join('\n')}

## Commands

${sections.join('\n')}`;
}

function describe(command: Command): string {
  const parts = [`### ${pathOf(command)}`, '', `${sentence(command.description())}`, ''];
  const words = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  const options = command.options.length > 0 ? ['[options]'] : [];
  parts.push('```', [pathOf(command), ...words, ...options].join(' '), '```', '');
  const argumentRows = command.registeredArguments.map((argument) => {
    const choices = argument.argChoices ? ` (${argument.argChoices.join(', ')})` : '';
    return `| \`${argument.name()}\` | ${cell(sentence(argument.description))}${choices} |`;
  });
  if (argumentRows.length > 0) parts.push('| argument | meaning |', '|---|---|', ...argumentRows, '');
  if (command.options.length > 0) parts.push(optionTable(command), '');
  return parts.join('\n');
}

function optionTable(command: Command): string {
  const rows = command.options
    .filter((option) => !option.hidden)
    .map((option) => {
      const standard = option.defaultValueDescription ?? (option.negate ? undefined : option.defaultValue);
      const suffix = standard === undefined ? '' : ` Default: ${standard}.`;
      const choices = option.argChoices ? ` (${option.argChoices.join(', ')})` : '';
      return `| \`${option.flags}\` | ${cell(sentence(option.description))}${choices}${suffix} |`;
    });
  return ['| option | meaning |', '|---|---|', ...rows].join('\n');
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.)]$/.test(capital) ? capital : `${capital}.`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) process.stdout.write(printReference());
