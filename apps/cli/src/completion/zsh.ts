import type { CompletedCommand } from './describe-commands.ts';

/** The script for zsh: the words and options of each command, with what they mean. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ path, subcommands, options, choices }) => {
    const words = [
      ...subcommands.map(({ name, description }) => entry(name, description)),
      ...choices.map((choice) => entry(choice, '')),
    ];
    const flags = options.flatMap(({ flags: names, description }) => names.map((name) => entry(name, description)));
    return `    '${path.join(' ')}')\n      words=(${words.join(' ')})\n      flags=(${flags.join(' ')}) ;;`;
  });
  const values = commands.flatMap(({ path, options }) =>
    options.flatMap(({ flags, choices: offered }) =>
      offered.length === 0
        ? []
        : `    ${flags.map((flag) => `'${[...path, flag].join(' ')}'`).join('|')}) compadd -- ${offered.join(' ')}; return ;;`,
    ),
  );
  const withValue = [
    ...new Set(
      commands.flatMap(({ options }) => options.filter((o) => o.takesValue && !o.isFile).flatMap((o) => o.flags)),
    ),
  ];
  const paths = commands.filter(({ path }) => path.length > 0).map(({ path }) => `'${path.join(' ')}'`);
  return `#compdef starling
_starling() {
  local place='' candidate word
  local -a words_before=("\${words[@]:1:$((CURRENT - 2))}") flags
  if [[ "\${words[CURRENT-1]}" == --token-file ]]; then _files; return; fi
  for word in "\${words_before[@]}"; do
    candidate="\${place:+$place }$word"
    case "$candidate" in
      ${paths.join('|')}) place="$candidate" ;;
    esac
  done
  case "$place \${words[CURRENT-1]}" in
${values.join('\n')}
    ${withValue.map((flag) => `*' ${flag}'`).join('|')}) return ;;
  esac
  local current="\${words[CURRENT]}"
  local -a words
  case "$place" in
${cases.join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    _describe 'option' flags
  else
    _describe 'command' words
  fi
}
if [[ "\${funcstack[1]}" == _starling ]]; then _starling "$@"; else compdef _starling starling; fi
`;
}

function entry(name: string, description: string): string {
  const text = `${name.replaceAll(':', '\\:')}${description ? `:${description.replaceAll(':', '\\:')}` : ''}`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
