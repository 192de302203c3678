import type { CompletedCommand } from './describe-commands.ts';

/** The script for bash. Its words hold no character that a shell gives a meaning to. */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ path, subcommands, options, choices }) => {
    const words = [...subcommands.map(({ name }) => name), ...choices];
    const flags = options.flatMap((option) => option.flags);
    return `    '${path.join(' ')}') words='${words.join(' ')}'; flags='${[...flags, '--help'].join(' ')}' ;;`;
  });
  const values = commands.flatMap(({ path, options }) =>
    options.flatMap(({ flags, choices }) =>
      choices.length === 0
        ? []
        : `    ${flags.map((flag) => `'${[...path, flag].join(' ')}'`).join('|')}) COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current")); return ;;`,
    ),
  );
  const withValue = [
    ...new Set(commands.flatMap(({ options }) => options.filter((o) => o.takesValue).flatMap((o) => o.flags))),
  ];
  const paths = commands.filter(({ path }) => path.length > 0).map(({ path }) => `'${path.join(' ')}'`);
  return `# bash completion for starling
_starling() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' candidate word index words flags
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    candidate="\${path:+$path }$word"
    case "$candidate" in
      ${paths.join('|')}) path="$candidate" ;;
    esac
  done
  case "$path $previous" in
${values.join('\n')}
  esac
  case "$previous" in
    --token-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${withValue.filter((flag) => flag !== '--token-file').join('|')}) COMPREPLY=(); return ;;
  esac
  case "$path" in
${cases.join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -F _starling starling
`;
}
