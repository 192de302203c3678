import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// A document as somebody reads it who does what it says: section by section, command by command.

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** README and what is below docs, but for the reference of the commands, which is printed from the commands themselves. */
export const documents: readonly string[] = ['README.md'].concat(
  readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && file !== join('reference', 'cli.md'))
    .map((file) => `docs/${file}`)
    .toSorted(),
);

export interface Section {
  /** Without the hashes. */
  heading: string;
  /** What is written, without blocks and tables, in one line. */
  text: string;
  /** What its `sh` blocks show to type, as it stands there, with continued lines in one. */
  commands: string[];
  /** The lines of its blocks that are in no language: what commands print. */
  outputs: string[];
  /** Commands of Starling that its text names, tables included. */
  mentions: string[];
  /** The exit codes that its text speaks of, but for 0. */
  exitCodes: number[];
}

export interface Document {
  path: string;
  sections: Section[];
}

const blocks = /^( *)```(\w*)\n(.*?)^ *```/gms;

/** Reads a document by its path from the root of the repository. */
export function readDocument(path: string): Document {
  // A line in a block that begins with a hash is a comment of the shell's.
  const parts: string[] = [''];
  let isInBlock = false;
  for (const line of readFileSync(join(root, path), 'utf8').split('\n')) {
    if (/^ *```/.test(line)) isInBlock = !isInBlock;
    if (!isInBlock && /^#{1,3} /.test(line)) parts.push('');
    parts[parts.length - 1] += `${line}\n`;
  }
  return { path, sections: parts.map(readSection) };
}

function readSection(part: string): Section {
  const heading = /^#{1,3} (.+)/.exec(part)?.[1]?.trim() ?? '';
  const inLanguage = (name: string) => [...part.matchAll(blocks)].filter(([, , language]) => language === name);
  const prose = part.replaceAll(blocks, '');
  const text = oneLine(prose.replaceAll(/^ *\|.*$/gm, ''));
  return {
    heading,
    text,
    commands: inLanguage('sh').flatMap(([, indent, , block]) => commandsOf(block!.replaceAll(`\n${indent}`, '\n'))),
    outputs: [...inLanguage(''), ...inLanguage('console')].flatMap(([, , , block]) => block!.trim().split('\n')),
    mentions: [...prose.matchAll(/`((?:npx )?starling [^`]+)`/g)].map(([, command]) => oneLine(command!)),
    exitCodes: [...text.matchAll(/exit code ([1-9]\d*)/gi)].map(([, code]) => Number(code)),
  };
}

const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim();

/** The commands of a block: a line each, unless it goes on; a block that begins with `#!` is one script. */
export function commandsOf(block: string): string[] {
  if (block.trimStart().startsWith('#!')) return [block.trim()];
  const commands: string[] = [];
  let open = '';
  for (const line of block.split('\n')) {
    open = open === '' ? line.trim() : `${open}\n${line.trim()}`;
    if (open.endsWith('\\')) open = `${open.slice(0, -1).trim()} `.replace(/\n$/, '');
    else if (isWhole(open)) {
      const command = open.replaceAll(/ \n/g, ' ').trim();
      if (command !== '' && !command.startsWith('#')) commands.push(command);
      open = '';
    }
  }
  if (open.trim() !== '') throw new Error(`a command does not end: ${open}`);
  return commands;
}

/** Whether no quotation, and no loop, goes on in the next line. */
function isWhole(text: string): boolean {
  const unquoted = text.replaceAll(/'[^']*'|"(?:[^"\\]|\\.)*"/g, '');
  // An apostrophe in a comment opens nothing.
  return !/^[^#]*['"]/.test(unquoted) && (!/^for /.test(text) || /\bdone\b/.test(unquoted));
}

/** Whether a line only says what a configuration is: variables, and no command. */
export function isSetting(command: string): boolean {
  return /^(?:[A-Z_]+=(?:'[^']*'|"[^"]*"|[^\s'"])+\s*)+(?:#.*)?$/.test(command);
}

/** A command without the way to it: `npx starling status` is `status`. */
export const nameOf = (typed: string): string =>
  typed.replace(/^(?:[A-Z_]+=(?:\$\([^)]*\)|\S)+ )*(?:npx )?(?:starling )?/, '');

/** Whether a line is the command that begins so, from its program's name or from what Starling is told. */
export const begins = (typed: string, command: string): boolean =>
  typed.startsWith(command) || nameOf(typed).startsWith(command);

/** The command of Starling that a line types; undefined when it is another program's. */
export function starlingCommandOf(command: string): string | undefined {
  return /^(?:\$ )?(?:[A-Z_]+=(?:\$\([^)]*\)|\S)+ )*(?:npx )?starling (.+)/s.exec(command.trim())?.[1];
}
