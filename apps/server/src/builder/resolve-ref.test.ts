import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveRef } from './resolve-ref.ts';
import { TestRepository } from './test-repository.ts';

let folder: string;
let repository: TestRepository;
let first: string;
let second: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-resolve-'));
  repository = new TestRepository(join(folder, 'repository'));
  first = repository.commit({ a: '1' });
  repository.git('tag', '-a', 'v1.0', '-m', 'the first');
  repository.git('tag', 'light');
  repository.git('branch', 'feature/one');
  second = repository.commit({ a: '2' });
});
afterEach(() => rm(folder, { recursive: true }));

describe('resolveRef', () => {
  it('finds branches, tags, HEAD and SHAs', async () => {
    const resolve = (ref: string) => resolveRef(repository.path, ref);
    expect(await resolve('main')).toBe(second);
    expect(await resolve('HEAD')).toBe(second);
    expect(await resolve('feature/one')).toBe(first);
    expect(await resolve('refs/heads/main')).toBe(second);
    expect(await resolve('v1.0')).toBe(first);
    expect(await resolve('refs/tags/v1.0')).toBe(first);
    expect(await resolve('light')).toBe(first);
    expect(await resolve(first)).toBe(first);
    expect(await resolve(first.toUpperCase())).toBe(first);
    expect(await resolve(first.slice(0, 9))).toBe(first);
    expect(await resolveRef(`file://${repository.path}`, first.slice(0, 9))).toBe(first);
  });

  it('does not take the end of a longer name for the name', async () => {
    repository.git('branch', 'team/main2');
    await expect(resolveRef(repository.path, 'main2')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(resolveRef(repository.path, 'one')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('names some branches when there is none of that name', async () => {
    await expect(resolveRef(repository.path, 'mian')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `there is no branch or tag mian in ${repository.path}; its branches are feature/one, main`,
      field: 'ref',
    });
  });

  it('says that a local repository lacks a commit', async () => {
    for (const ref of ['beef'.repeat(10), 'beefbeef'])
      await expect(resolveRef(repository.path, ref)).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: expect.stringContaining(ref),
      });
  });

  it('passes on what git says of a repository that cannot be read', async () => {
    await writeFile(join(folder, 'file'), '');
    for (const path of [join(folder, 'gone'), join(folder, 'file')])
      for (const ref of ['main', 'beef'.repeat(10)])
        await expect(resolveRef(path, ref)).rejects.toMatchObject({
          code: 'UNAVAILABLE',
          message: expect.stringMatching(/^cannot read \/.*: fatal: .*/),
        });
    await expect(resolveRef('http://user:secret@127.0.0.1:1/x.git', 'main')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^cannot read http:\/\/127\.0\.0\.1:1\/x\.git: (?!.*secret)/),
    });
  });

  it.each(['', '-x', '--upload-pack=x', 'a b', 'a..b', 'a:b', 'main^', 'main~1', '@', 'a*', 'x.lock', 'a//b', 'a/'])(
    'refuses %j',
    async (ref) => {
      await expect(resolveRef(repository.path, ref)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'ref' });
    },
  );
});
