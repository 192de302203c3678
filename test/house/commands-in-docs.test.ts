import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram, inEveryCommand } from '../../apps/cli/src/program.ts';
import { followed, onlyRead } from '../documents/followed.ts';
import { begins, documents, isSetting, readDocument, root, starlingCommandOf } from '../documents/read-document.ts';

// Every command line of Starling that a document shows is one that the CLI takes: the command is there, with these options and
// as many arguments. And every command of a block, whatever program it is of, is run by a test that follows its document, unless a
// short list says why not.

interface Shown {
  line: string;
  /** Text speaks of commands by their first words; a block shows what to type. */
  isWhole: boolean;
}

function commandsIn(document: string): Shown[] {
  const { sections } = readDocument(document);
  return [
    ...sections.flatMap(({ commands, outputs }) => [...commands, ...outputs]).map((line) => ({ line, isWhole: true })),
    ...sections.flatMap(({ mentions }) => mentions).map((line) => ({ line, isWhole: false })),
  ].flatMap(({ line, isWhole }) => {
    const command = starlingCommandOf(line);
    return command === undefined ? [] : [{ line: command, isWhole }];
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
    words.push(word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
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

const inBlocks = documents.flatMap((document) =>
  readDocument(document).sections.flatMap(({ heading, commands }) =>
    commands.map((command) => ({ document, section: heading, command })),
  ),
);

describe('what blocks show', () => {
  it('is run by a test that follows the document, or is in the list of what is only read', () => {
    const unrun = inBlocks.filter(
      ({ document, section, command }) =>
        followed[document] === undefined &&
        !isSetting(command) &&
        !onlyRead.some((one) => one.document === document && one.section === section && begins(command, one.command)),
    );
    expect(unrun).toEqual([]);
  });

  it('is in the list of what is only read as long as it is there', () => {
    const gone = onlyRead.filter(
      (one) =>
        !inBlocks.some(
          ({ document, section, command }) =>
            document === one.document && section === one.section && begins(command, one.command),
        ),
    );
    expect(gone).toEqual([]);
  });

  it('is followed by tests that are there and open the document', () => {
    for (const [document, test] of Object.entries(followed)) {
      expect(documents).toContain(document);
      expect(existsSync(join(root, test)), test).toBe(true);
      expect(readFileSync(join(root, test), 'utf8'), `${test} does not follow ${document}`).toContain(document);
    }
  });

  it('are settings that there are', () => {
    const reference = readFileSync(join(root, 'docs/reference/configuration.md'), 'utf8');
    const names = inBlocks
      .filter(({ command }) => isSetting(command))
      .flatMap(({ command }) => command.match(/\b(?:STARLING_[A-Z_]+|DATABASE_[A-Z_]*URL)(?==)/g) ?? []);
    expect(names.length).toBeGreaterThan(5);
    expect([...new Set(names)].filter((name) => !reference.includes(`\`${name}\``))).toEqual([]);
  });
});
