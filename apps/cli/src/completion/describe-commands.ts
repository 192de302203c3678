import type { Command } from 'commander';

export interface CompletedOption {
  flags: string[];
  description: string;
  takesValue: boolean;
  isFile: boolean;
  /** What its value can be, where that is known. */
  choices: string[];
}

/** A command as a completion script needs it. */
export interface CompletedCommand {
  /** The words after `starling`: `["project", "add"]`; empty for the program itself. */
  path: string[];
  description: string;
  subcommands: { name: string; description: string }[];
  options: CompletedOption[];
  /** What the first argument can be, where that is known. */
  choices: string[];
}

/** The program and every command below it, parents first. Options of the program are listed with each. */
export function describeCommands(program: Command): CompletedCommand[] {
  const described: CompletedCommand[] = [];
  const visit = (command: Command, path: string[]) => {
    const options = command === program ? program.options : [...command.options, ...program.options];
    described.push({
      path,
      description: command.description(),
      subcommands: command.commands.map((child) => ({ name: child.name(), description: child.description() })),
      options: options
        .filter((option) => !option.hidden)
        .map((option) => ({
          flags: [option.short, option.long].filter((flag) => flag !== undefined),
          description: option.description,
          takesValue: option.required || option.optional,
          isFile: option.long === '--token-file',
          choices: option.argChoices ?? [],
        })),
      choices: command.registeredArguments[0]?.argChoices ?? [],
    });
    for (const child of command.commands) visit(child, [...path, child.name()]);
  };
  visit(program, []);
  return described;
}
