import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cli, quote } from './cli-lines.ts';

it('writes the command that a person would type', () => {
  expect(cli.deploy('hello', 'hello@1a2b3c4d5e6f', "it's better", false)).toBe(
    `starling deploy hello hello@1a2b3c4d5e6f --reason 'it'\\''s better'`,
  );
  expect(cli.rollback('hello', undefined, ' ')).toBe('starling rollback hello');
  expect(cli.build('hello', 'v1.2', true)).toBe('starling build hello v1.2 --force');
  expect(cli.machines({})).toBe('starling machines');
  expect(cli.machines({ region: 'eu', find: 'rack=r 7', state: 'failed' })).toBe(
    "starling machines --region eu --find 'rack=r 7' --state failed",
  );
});

it('quotes so that a shell reads back the same word', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }).filter((text) => !text.includes('\0')),
      (text) => {
        expect(execFileSync('sh', ['-c', `printf %s ${quote(text)}`], { encoding: 'utf8' })).toBe(text);
      },
    ),
    { numRuns: 30 },
  );
});
