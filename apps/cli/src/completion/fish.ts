import type { CompletedCommand } from './describe-commands.ts';

/** The script for fish: one rule for each word and option. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const lines = ['# fish completion for starling', 'complete -c starling -f'];
  const root = commands.find(({ path }) => path.length === 0);
  for (const { path, subcommands, options, choices } of commands) {
    const condition = conditionFor(path, subcommands);
    for (const { name, description } of subcommands) {
      lines.push(`complete -c starling -n ${condition} -a ${quote(name)} -d ${quote(description)}`);
    }
    for (const choice of choices) lines.push(`complete -c starling -n ${condition} -a ${quote(choice)}`);
    const global = new Set(path.length > 0 ? root?.options.flatMap((option) => option.flags) : []);
    for (const { flags, description, takesValue, isFile, choices: values } of options) {
      if (flags.some((flag) => global.has(flag))) continue;
      const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      const offered = values.length > 0 ? ` -a ${quote(values.join(' '))}` : '';
      const value = isFile ? ' -r -F' : takesValue ? ` -x${offered}` : '';
      const where = path.length > 0 ? ` -n ${condition}` : '';
      lines.push(`complete -c starling${where} ${names.join(' ')}${value} -d ${quote(description)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function conditionFor(path: readonly string[], subcommands: readonly { name: string }[]): string {
  if (path.length === 0) return "'__fish_use_subcommand'";
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
  const notBelow =
    subcommands.length > 0
      ? `; and not __fish_seen_subcommand_from ${subcommands.map(({ name }) => name).join(' ')}`
      : '';
  return `'${seen}${notBelow}'`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
