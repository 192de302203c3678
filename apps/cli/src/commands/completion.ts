import { Argument, Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import { describeCommands } from '../completion/describe-commands.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** `starling completion`: a script that a shell reads to complete command lines. */
export function completionCommand(): Command {
  return new Command('completion')
    .description('print a script that makes a shell complete the commands')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(shells)))
    .addHelpText(
      'after',
      `
Once in a while, or from the shell's start-up file:
  bash  source <(starling completion bash)
  zsh   starling completion zsh > "\${fpath[1]}/_starling"
  fish  starling completion fish > ~/.config/fish/completions/starling.fish`,
    )
    .action((shell: keyof typeof shells, _options: object, command: Command) => {
      let program = command;
      while (program.parent) program = program.parent;
      process.stdout.write(shells[shell](describeCommands(program)));
    });
}
