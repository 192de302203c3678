import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../program.ts';
import { bashCompletion } from './bash.ts';
import { describeCommands } from './describe-commands.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const commands = describeCommands(
  buildProgram(() => {
    throw new Error('no command is run here');
  }),
);

/** Whether a shell is installed here, and takes the script without complaint. */
function parses(shell: string, script: string): { installed: boolean; complaint: string } {
  const run = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
  return { installed: run.error === undefined, complaint: run.stderr };
}

describe('bash', () => {
  const script = bashCompletion(commands);

  /** What bash would offer with the cursor at the end of these words. */
  const offers = (...words: string[]) => {
    const quoted = ['starling', ...words].map((word) => `'${word}'`).join(' ');
    const run = spawnSync(
      'bash',
      [
        '-c',
        `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _starling; printf '%s\\n' "\${COMPREPLY[@]}"`,
      ],
      { encoding: 'utf8' },
    );
    expect(run.stderr).toBe('');
    return run.stdout.split('\n').filter(Boolean);
  };

  test('parses', () => {
    expect(parses('bash', script)).toEqual({ installed: true, complaint: '' });
  });

  test('offers commands, their subcommands, options and choices', () => {
    expect(offers('dep')).toEqual(['deploy', 'deployments', 'deployment']);
    expect(offers('project', '')).toEqual(['add', 'list', 'settings']);
    expect(offers('deploy', 'hello', '--wa')).toEqual(['--wait', '--wave']);
    expect(offers('--json', 'project', 'add', '--re')).toEqual(['--ref']);
    expect(offers('completion', 'z')).toEqual(['zsh']);
    expect(offers('machines', '--state', '')).toEqual(['failed', 'offline', 'behind', 'done']);
  });

  test('offers nothing where a value is due, or the name of a project', () => {
    expect(offers('deploy', '--reason', '')).toEqual([]);
    expect(offers('deploy', '')).toEqual([]);
  });
});

test.each([
  ['zsh', zshCompletion(commands)],
  ['fish', fishCompletion(commands)],
])('%s parses, where it is installed', (shell, script) => {
  expect(script).toContain('deployments');
  expect(script).toContain('dry-run');
  const { installed, complaint } = parses(shell, script);
  if (installed) expect(complaint).toBe('');
});

const isInstalled = (program: string) => spawnSync(program, ['--version']).error === undefined;

describe('with a terminal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-completion-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What `starling` is called with, when a person types this (`\t` is the Tab key) into a shell that read our script. */
  const typed = (shell: string, flags: string, before: string[], script: string, keys: string): string => {
    const file = join(folder, `starling.${shell}`);
    writeFileSync(file, script);
    const lines = [...before, `source ${file}`, `starling() { printf 'called<%s>' "$*"; }`, `starling ${keys}`, 'exit'];
    // `script`, of util-linux, gives the shell a terminal, so that it reads lines as it does for people.
    const run = spawnSync('script', ['-qec', `${shell} ${flags}`, '/dev/null'], {
      input: `${lines.join('\n')}\n`,
      encoding: 'utf8',
      env: { ...process.env, TERM: 'dumb', HISTFILE: '/dev/null' },
      timeout: 15_000,
    });
    return /called<(?!%s)([^>]*)>/.exec(run.stdout)?.[1] ?? run.stdout;
  };
  const bash = (keys: string) => typed('bash', '--norc --noprofile -i', [], bashCompletion(commands), keys);

  test.skipIf(!isInstalled('script')).each([
    ['proj\tad\t', 'project add'],
    ['jobs --gr\tuns\t', 'jobs --group unsuccessful'],
    ['rollb\thello --rea\t', 'rollback hello --reason'],
    ['machines --state fa\t--js\t', 'machines --state failed --json'],
  ])('bash makes of %j what was meant', (keys, line) => {
    expect(bash(keys).trim()).toBe(line);
  });

  test.skipIf(!isInstalled('script') || !isInstalled('zsh'))('zsh makes of what is typed what was meant', () => {
    const before = ['autoload -U compinit; compinit -D -u'];
    const called = typed('zsh', '-f -i', before, zshCompletion(commands), 'proj\tad\t');
    expect(called.trim()).toBe('project add');
  });

  test.skipIf(!isInstalled('fish'))('fish offers what fits', () => {
    const file = join(folder, 'starling.fish');
    writeFileSync(file, fishCompletion(commands));
    const offers = (line: string) =>
      spawnSync('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`], { encoding: 'utf8' })
        .stdout.split('\n')
        .flatMap((offer) => offer.split('\t')[0] || []);
    expect(offers('starling project ')).toEqual(['add', 'list', 'settings']);
    expect(offers('starling jobs --group ')).toEqual(['open', 'unsuccessful']);
  });
});

test('a description with an apostrophe does not end the word it is in', () => {
  expect(zshCompletion(commands)).toContain("a build'\\''s log");
  expect(fishCompletion(commands)).toContain("a build\\'s log");
});
