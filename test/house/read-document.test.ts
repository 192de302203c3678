import { describe, expect, it } from 'vitest';
import { begins, commandsOf, isSetting, readDocument, starlingCommandOf } from '../documents/read-document.ts';

// What a document shows to type is read from it as somebody would who types it.

describe('the commands of a block', () => {
  it.each([
    ['a line each, without lines of comment', '# first\nstarling status\n\nstarling queue   # what waits\n', 2],
    ['one that goes on with a backslash', 'A=1 \\\n  B=2 \\\n  node main.ts control\n', 1],
    ['one whose quotation goes on', "REGIONS='eu=one\n  us=two'\n", 1],
    ['an apostrophe in a comment', "starling gc   # who's next\nstarling status\n", 2],
    ['a quotation with an apostrophe in it', 'starling freeze add "year\'s end"\nstarling status\n', 2],
    ['a loop', 'for name in a b; do\n  echo $name\ndone\nls\n', 2],
    ['a script', '#!/bin/sh\nls\nls\n', 1],
  ])('%s', (_, block, count) => {
    expect(commandsOf(block)).toHaveLength(count);
  });

  it('have what goes on in one line', () => {
    expect(commandsOf('A=1 \\\n  node main.ts\n')).toEqual(['A=1 node main.ts']);
  });

  it('end, each of them', () => {
    expect(() => commandsOf('starling deploy shop "unfinished\n')).toThrow('does not end');
  });
});

it.each([
  ['STARLING_BLOBS=s3://one STARLING_SERVER=x', true],
  ["STARLING_REGIONS='eu=a us=b'   # both", true],
  ['STARLING_BLOBS=s3://one node main.ts control', false],
  ['starling status', false],
])('%s is a setting: %s', (line, expected) => {
  expect(isSetting(line)).toBe(expected);
});

it('knows the commands of Starling, however they are reached', () => {
  expect(starlingCommandOf('npx starling status')).toBe('status');
  expect(starlingCommandOf('STARLING_TOKEN=$(cat admin.token) starling accounts grant ada admin')).toBe(
    'accounts grant ada admin',
  );
  expect(starlingCommandOf('openssl rand -hex 32')).toBeUndefined();
  expect(begins('npx starling status --json', 'status')).toBe(true);
  expect(begins('openssl rand -hex 32', 'openssl rand')).toBe(true);
  expect(begins('npx starling status', 'queue')).toBe(false);
});

it('reads a document section by section: what to type, what it says of it, and how that ends', () => {
  const { sections } = readDocument('docs/tutorial.md');
  expect(sections.map(({ heading }) => heading)).toContain('5. A bad release');
  const section = sections.find(({ heading }) => heading === '5. A bad release')!;
  expect(section.commands[0]).toBe('npx starling build hello v3 --wait');
  expect(section.exitCodes).toEqual([1]);
  expect(section.mentions).toEqual(['npx starling status']);
  expect(section.text).toContain('it starts, but is never healthy');
  expect(section.text).not.toContain('build hello');
});
