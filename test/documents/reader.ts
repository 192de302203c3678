import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, vi } from 'vitest';
import { onlyRead } from './followed.ts';
import { begins, isSetting, nameOf, readDocument, root, type Section } from './read-document.ts';
import { missingFor, type Typed, typeLine } from './terminal.ts';

// Somebody who does what a document says: types each command into a shell, in order, and compares what comes of it with what the
// document says of it.

/** What stands in a document for something that is another one with each reader, and what that is for this one. */
export type Fill = Record<string, string | (() => string | Promise<string>)>;

export interface ReaderOptions {
  /** The data folder of the Starling that is followed against. */
  data: string;
  /** Where commands are typed, and files made that they name. */
  folder: string;
  fill?: Fill;
  environment?: Record<string, string>;
  /** What the text names of Starling's commands has to be run as well, and not only what blocks show. */
  isTextToo?: boolean;
}

/** Commands are named by how they begin as they stand in the document, from the program's name on. */
export interface How {
  fill?: Fill;
  /** What is typed when a command asks. */
  answers?: Record<string, string>;
  /** Before this command: what the text says to do elsewhere, in the console for example. */
  before?: Record<string, () => Promise<unknown>>;
  /** What is said to show something: it is looked at again until it does. */
  until?: Record<string, RegExp>;
  /** What goes on until Ctrl-C, which is pressed when it has said this. */
  interrupt?: Record<string, RegExp>;
  /** What goes on in a terminal of its own once it has said this, until the document is left. */
  background?: Record<string, RegExp>;
}

export interface Said {
  /** As the document has it. */
  typed: string;
  code: number;
  stdout: string;
  /** All of it, as on a terminal. */
  output: string;
}

export interface Followed {
  all: readonly Said[];
  /** What the first command that begins so said. */
  of(command: string): Said;
  /** The document claims this, in these words, and it is so: what the command said has the pattern. */
  saw(claim: string, command: string, pattern: RegExp): void;
}

export interface Reader {
  /** Runs all that the blocks of a section show; it must end as the section says. */
  follow(heading: string, how?: How): Promise<Followed>;
  /** Runs a command that a section names in its text. */
  mention(heading: string, command: string, how?: How): Promise<Said>;
  /** The test itself does this, in another way than by typing it; the command, filled in. */
  take(heading: string, command: string, fill?: Fill): Promise<string>;
  /** Ends what goes on. */
  leave(): Promise<void>;
  /** Leaves, and fails when a command of the document's blocks was not run and is not in the list of those that are only read. */
  end(): Promise<void>;
}

const program = (path: string) => join(root, path);
/** What there is for a command in a table of how to do it. */
const forCommand = <T>(table: Record<string, T> | undefined, typed: string): T | undefined =>
  Object.entries(table ?? {}).find(([command]) => begins(typed, command))?.[1];

export async function openReader(path: string, options: ReaderOptions): Promise<Reader> {
  const document = readDocument(path);
  const left = new Map<string, { heading: string; typed: string }>();
  for (const { heading, commands, mentions } of document.sections) {
    for (const typed of [...commands, ...(options.isTextToo ? mentions : [])])
      if (!isSetting(typed)) left.set(`${heading}: ${typed}`, { heading, typed });
  }
  const bin = await makeBin(options.folder);
  const environment = {
    PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: options.folder,
    NODE_COMPILE_CACHE: join(options.data, 'compile-cache'),
    STARLING_DATA: options.data,
    ...options.environment,
  };

  const sectionOf = (heading: string): Section => {
    const section = document.sections.find((one) => one.heading === heading);
    expect(section, `${path} has no section "${heading}"`).toBeDefined();
    return section!;
  };
  const isOnlyRead = (heading: string, typed: string) =>
    onlyRead.some((one) => one.document === path && one.section === heading && begins(typed, one.command));

  const open: Typed[] = [];
  const exported: string[] = [];
  async function leave(): Promise<void> {
    for (const one of open.splice(0)) {
      one.interrupt();
      await one.ended;
    }
  }

  async function type(typed: string, how: How): Promise<Said> {
    await forCommand(how.before, typed)?.();
    const ownLine = await fillIn(typed, { ...options.fill, ...how.fill });
    // Each line has a shell of its own here, and one for all of them where it is read.
    const line = [...exported, ownLine].join('\n');
    if (ownLine.startsWith('export ')) exported.push(ownLine);
    const missing = missingFor(line);
    if (missing.length > 0) {
      console.warn(`SKIPPED: ${typed} (${path}), as there is no ${missing.join(' and no ')} here`);
      return { typed, code: 0, stdout: '', output: '' };
    }
    const place = { cwd: options.folder, environment, answer: forCommand(how.answers, typed) };
    const goesOn = forCommand(how.background, typed);
    if (goesOn) {
      const one = typeLine(line, place, { inBackground: true });
      open.push(one);
      await one.says(goesOn);
      return { typed, code: 0, stdout: one.stdout(), output: one.output() };
    }
    const interruptAt = forCommand(how.interrupt, typed);
    const run = async (): Promise<Said> => {
      const one = typeLine(line, place);
      if (interruptAt) {
        await one.says(interruptAt);
        one.interrupt();
      }
      const code = await one.ended;
      return { typed, code: interruptAt && code === 130 ? 0 : code, stdout: one.stdout(), output: one.output() };
    };
    const pattern = forCommand(how.until, typed);
    if (!pattern) return run();
    return vi.waitFor(
      async () => {
        const said = await run();
        expect(said.output, line).toMatch(pattern);
        return said;
      },
      { timeout: 120_000, interval: 300 },
    );
  }

  return {
    async follow(heading, how = {}) {
      const section = sectionOf(heading);
      const all: Said[] = [];
      const codes: number[] = [];
      for (const typed of section.commands) {
        if (isSetting(typed) || isOnlyRead(heading, typed)) continue;
        const said = await type(typed, how);
        left.delete(`${heading}: ${typed}`);
        all.push(said);
        if (said.code === 0) continue;
        expect.soft(section.exitCodes, `${path}, ${heading}: ${typed}\n${said.output}`).toContain(said.code);
        codes.push(said.code);
      }
      expect.soft(codes, `what ended otherwise than well in "${heading}" of ${path}`).toEqual(section.exitCodes);
      return followed(section, all);
    },
    async mention(heading, command, how = {}) {
      const mentioned = sectionOf(heading).mentions.find((one) => nameOf(one) === command);
      expect(mentioned, `${path}, ${heading}, does not name \`${command}\``).toBeDefined();
      const said = await type(mentioned!, how);
      left.delete(`${heading}: ${mentioned}`);
      expect.soft(said.code, `${path}, ${heading}: ${command}\n${said.output}`).toBe(0);
      return said;
    },
    async take(heading, command, fill = {}) {
      const typed = sectionOf(heading).commands.find((one) => begins(one, command));
      expect(typed, `${path}, ${heading}, does not show ${command}`).toBeDefined();
      expect(isOnlyRead(heading, typed!), `${command} is done: take it from the list of what is only read`).toBe(false);
      left.delete(`${heading}: ${typed}`);
      return fillIn(typed!, { ...options.fill, ...fill });
    },
    leave,
    async end() {
      await leave();
      const forgotten = [...left.values()].filter(({ heading, typed }) => !isOnlyRead(heading, typed));
      expect(forgotten, `what ${path} shows and nobody ran`).toEqual([]);
    },
  };

  function followed(section: Section, all: Said[]): Followed {
    const of = (command: string) => {
      const said = all.find(({ typed }) => begins(typed, command));
      expect(said, `"${section.heading}" shows no ${command}`).toBeDefined();
      return said!;
    };
    return {
      all,
      of,
      saw(claim, command, pattern) {
        expect.soft([section.text, ...section.commands].join('\n')).toContain(claim);
        expect.soft(of(command).output).toMatch(pattern);
      },
    };
  }
}

/** `npx starling` and `starling` as they are in the clone and where Starling is installed. */
async function makeBin(folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  const starling = `"${process.execPath}" "${program('apps/cli/bin/starling.mjs')}" "$@"`;
  const npx = `[ "$1" = starling ] || { echo "npx $1 is not followed" >&2; exit 127; }\nshift\nexec ${starling}`;
  for (const [name, text] of [
    ['starling', `exec ${starling}`],
    ['npx', npx],
  ] as const) {
    await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(bin, name), 0o755);
  }
  return bin;
}

async function fillIn(typed: string, fill: Fill): Promise<string> {
  let line = typed;
  // The longest first: one may be the beginning of another.
  for (const [what, value] of Object.entries(fill).toSorted(([one], [other]) => other.length - one.length)) {
    const escaped = what.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const whole = /^[<[]/.test(what) ? escaped : `(?<![\\w@./-])${escaped}(?![\\w@-])`;
    if (!new RegExp(whole).test(line)) continue;
    const filled = typeof value === 'string' ? value : await value();
    line = line.replaceAll(new RegExp(whole, 'g'), () => filled);
  }
  expect(line.match(/<[a-z][^<>]*>/g), `nobody says what to fill in: ${line}`).toBeNull();
  return line;
}
