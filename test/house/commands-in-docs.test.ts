import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram, inEveryCommand } from '../../apps/cli/src/program.ts';

// Every command line of Starling that a document shows is one that the CLI takes: the command is there, with these options and
// as many arguments. What the tutorial's commands do is tried in test/system/start.test.ts.

const root = fileURLToPath(new URL('../..', import.meta.url));
const documents = ['README.md'].concat(
  readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && file !== join('reference', 'cli.md'))
    .map((file) => `docs/${file}`),
);

interface Shown {
  line: string;
  /** Text speaks of commands by their first words; a block shows what to type. */
  isWhole: boolean;
}

function commandsIn(document: string): Shown[] {
  const text = readFileSync(join(root, document), 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|console)?\n(.*?)^```/gms)].flatMap(([, block]) =>
    block!.replaceAll(/\\\n\s*/g, ' ').split('\n'),
  );
  const inText = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`((?:npx )?starling [^`]+)`/g)];
  return [
    ...blocks.map((line) => ({ line, isWhole: true })),
    ...inText.map(([, line]) => ({ line: line!.replaceAll('\n', ' '), isWhole: false })),
  ].flatMap(({ line, isWhole }) => {
    const command = /^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:npx )?starling (.+)/.exec(line.trim());
    return command ? [{ line: command[1]!, isWhole }] : [];
  });
}

/** As a shell would cut it, up to a pipe, a redirection or a comment. `<something>` stands for what the reader fills in. */
function wordsOf(line: string): string[] {
  const filled = line.replaceAll(/<([^>]+)>/g, (_, what: string) =>
    /number|job|deployment|^n$/i.test(what) ? '12' : 'shop',
  );
  const words: string[] = [];
  for (const [word] of filled.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)) {
    if (/^(\||>|>>|2>|&&|;|#)/.test(word)) break;
    words.push(word.replaceAll(/["']/g, ''));
  }
  return words;
}

/** What the CLI has against a command line; undefined when it would run it. */
async function objection({ line, isWhole }: Shown): Promise<string | undefined> {
  const program = buildProgram(() => {
    throw new Error('nothing is run here');
  });
  inEveryCommand(program, (command) => {
    if (command.commands.length === 0 || command.registeredArguments.length > 0) command.action(() => undefined);
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  });
  try {
    await program.parseAsync(wordsOf(line), { from: 'user' });
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    const isAskedFor = ['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(thrown.code);
    const isMention =
      !isWhole && ['commander.missingArgument', 'commander.missingMandatoryOptionValue'].includes(thrown.code);
    // What another command prints is not known here.
    const isFilledIn = thrown.code === 'commander.invalidArgument' && line.includes('$(');
    return isAskedFor || isMention || isFilledIn ? undefined : `starling ${line}: ${thrown.message}`;
  }
}

describe('the command lines of', () => {
  it.each(documents)('%s are ones that the CLI takes', async (document) => {
    const objections = await Promise.all(commandsIn(document).map(objection));
    expect(objections.filter((one) => one !== undefined)).toEqual([]);
  });

  it('all documents together are many', () => {
    expect(documents.flatMap(commandsIn).length).toBeGreaterThan(50);
  });
});
