import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
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

test('a description with an apostrophe does not end the word it is in', () => {
  expect(zshCompletion(commands)).toContain("a build'\\''s log");
  expect(fishCompletion(commands)).toContain("a build\\'s log");
});
