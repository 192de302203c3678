import { settingsOf } from '@starling/shared/project-settings.ts';
import { describe, expect, it } from 'vitest';
import type { Change } from './event.ts';
import { judge } from './rules.ts';

const { triggers } = settingsOf({
  triggers: [
    { on: 'push', branches: ['main', 'release/*'] },
    { on: 'push', branches: ['**'], paths: ['services/shop', './docs/'] },
    { on: 'merge', branches: ['main'] },
  ],
});
const change = (more: Partial<Change>): Change => ({
  on: 'push',
  branch: 'main',
  commitSha: 'a'.repeat(40),
  paths: ['README.md'],
  by: 'ada',
  ...more,
});

describe('the rules of a project', () => {
  it.each([
    ['its branch', {}, true],
    ['a pattern', { branch: 'release/2' }, true],
    ['a merge', { on: 'merge' }, true],
    ['a file below a folder', { branch: 'topic', paths: ['a', 'services/shop/index.ts'] }, true],
    ['the folder written otherwise', { branch: 'topic', paths: ['docs/x.md'] }, true],
    ['files that are not known', { branch: 'topic', paths: undefined }, true],
    ['a name that git puts into quotes', { branch: 'topic', paths: ['"a\\tb"'] }, true],
    ['a folder that only begins alike', { branch: 'topic', paths: ['services/shopping/index.ts'] }, false],
    ['a merge elsewhere', { on: 'merge', branch: 'release/2' }, false],
  ] as const)('%s', (_, more, build) => {
    expect(judge(triggers, change(more as Partial<Change>)).build).toBe(build);
  });

  it('says why it builds nothing', () => {
    expect(judge([], change({}))).toEqual({ build: false, why: 'no rule for pushes to main' });
    expect(judge(triggers, change({ branch: 'topic' }))).toEqual({
      build: false,
      why: 'no file changed that the rules for pushes to topic name',
    });
  });
});
