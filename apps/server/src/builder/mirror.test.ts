import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@starling/shared/clock.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openProcessBook } from '../processes/process-book.ts';
import { checkOut } from './checkout.ts';
import { Mirrors, mirrorName } from './mirror.ts';
import { TestRepository } from './test-repository.ts';

let folder: string;
let repository: TestRepository;
let mirrors: Mirrors;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-mirror-'));
  repository = new TestRepository(join(folder, 'repository'));
  mirrors = open();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = () => new Mirrors({ folder: join(folder, 'mirrors'), clock: systemClock, log: pino({ level: 'silent' }) });
const isCommit = (gitDir: string, sha: string) =>
  execFileSync('git', [`--git-dir=${gitDir}`, 'cat-file', '-t', sha], { encoding: 'utf8' }).trim() === 'commit';

describe('Mirrors', () => {
  it('fetches what is new, and nothing when nothing is', async () => {
    const first = repository.commit({ a: '1' });
    const { gitDir, fetched } = await mirrors.ensureCommit(repository.path, first);
    expect(fetched).toBe(true);
    const second = repository.commit({ b: '2' });
    expect((await mirrors.ensureCommit(repository.path, second)).fetched).toBe(true);
    expect(isCommit(gitDir, second)).toBe(true);
    expect((await mirrors.ensureCommit(repository.path, second)).fetched).toBe(false);

    // What leads to a commit is there too, without asking the repository, which is gone.
    await rm(repository.path, { recursive: true });
    expect((await mirrors.ensureCommit(repository.path, first)).fetched).toBe(false);
  });

  it('fetches a commit that is on no branch any more', async () => {
    repository.commit({ a: '1' });
    const lost = repository.commit({ a: '2' });
    repository.git('reset', '--quiet', '--hard', 'HEAD^');
    const { gitDir } = await mirrors.ensureCommit(repository.path, lost);
    expect(isCommit(gitDir, lost)).toBe(true);
  });

  it('fetches all refs where a server gives out only those', async () => {
    const old = repository.commit({ a: '1' });
    repository.commit({ a: '2' });
    // Protocol 0 is that strict.
    const config = join(folder, 'gitconfig');
    await writeFile(config, '[protocol]\n\tversion = 0\n');
    const script = `
      const { Mirrors } = await import(${JSON.stringify(join(import.meta.dirname, 'mirror.ts'))});
      const { systemClock } = await import('@starling/shared/clock.ts');
      const { pino } = await import('pino');
      const mirrors = new Mirrors({ folder: ${JSON.stringify(join(folder, 'mirrors'))}, clock: systemClock, log: pino({ level: 'silent' }) });
      console.log((await mirrors.ensureCommit(${JSON.stringify(repository.path)}, ${JSON.stringify(old)})).gitDir);`;
    const gitDir = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      env: { PATH: '/usr/bin:/bin', GIT_CONFIG_GLOBAL: config },
      encoding: 'utf8',
    }).trim();
    expect(isCommit(gitDir, old)).toBe(true);
    expect(existsSync(join(gitDir, 'refs/origin/heads/main'))).toBe(true);
  });

  it('takes a repository that is dirty, shallow, bare, or behind a file URL', async () => {
    repository.commit({ a: '1' });
    const sha = repository.commit({ a: '2' });
    await writeFile(join(repository.path, 'a'), 'dirty');
    const shallow = join(folder, 'shallow');
    const bare = join(folder, 'bare.git');
    execFileSync('git', ['clone', '--quiet', '--depth=1', `file://${repository.path}`, shallow]);
    execFileSync('git', ['clone', '--quiet', '--bare', repository.path, bare]);
    for (const [index, url] of [repository.path, shallow, bare, `file://${shallow}`].entries()) {
      const { gitDir } = await mirrors.ensureCommit(url, sha);
      const checkout = join(folder, `checkout-${index}`);
      const commit = await checkOut({
        gitDir,
        sha,
        folder: checkout,
        signal: new AbortController().signal,
        processes: openProcessBook(folder),
        timeoutMs: 20_000,
      });
      expect(commit).toMatchObject({ author: 'Ada Example', subject: 'Change things' });
      expect(execFileSync('cat', [join(checkout, 'a')], { encoding: 'utf8' })).toBe('2');
      expect(execFileSync('git', ['log', '--format=%s'], { cwd: checkout, encoding: 'utf8' })).toContain('Change');
    }
  });

  it.runIf(process.getuid?.() === 0)('takes a repository of another user', async () => {
    const sha = repository.commit({ a: '1' });
    for (const name of await readdir(repository.path, { recursive: true }))
      await chown(join(repository.path, name), 65534, 65534);
    await chown(repository.path, 65534, 65534);
    const { gitDir } = await mirrors.ensureCommit(repository.path, sha);
    expect(isCommit(gitDir, sha)).toBe(true);
  });

  it('is built anew when it is broken', async () => {
    const first = repository.commit({ a: '1' });
    const { gitDir } = await mirrors.ensureCommit(repository.path, first);
    for (const name of await readdir(join(gitDir, 'objects'), { recursive: true, withFileTypes: true }))
      if (name.isFile()) await rm(join(name.parentPath, name.name), { force: true });
    await truncate(join(gitDir, 'config'), 5);
    const second = repository.commit({ a: '2' });
    await mirrors.ensureCommit(repository.path, second);
    expect(isCommit(gitDir, second)).toBe(true);
    expect(isCommit(gitDir, first)).toBe(true);
  });

  it('is not held up by what a killed fetch left', async () => {
    const { gitDir } = await mirrors.ensureCommit(repository.path, repository.commit({ a: '1' }));
    const second = repository.commit({ a: '2' });
    for (const name of ['packed-refs.lock', 'shallow.lock', `refs/starling/${second}.lock`])
      await writeFile(join(gitDir, name), '');
    await writeFile(join(gitDir, 'keep-me'), '');
    await mirrors.ensureCommit(repository.path, second);
    expect(isCommit(gitDir, second)).toBe(true);
    expect(existsSync(join(gitDir, 'keep-me'))).toBe(true);
  });

  it('is used by one at a time', async () => {
    const shas = ['1', '2', '3'].map((content) => repository.commit({ a: content }));
    const results = await Promise.all(shas.map((sha) => open().ensureCommit(repository.path, sha)));
    for (const [index, { gitDir }] of results.entries()) expect(isCommit(gitDir, shas[index]!)).toBe(true);
  });

  it('names the commit and the repository that do not go together', async () => {
    repository.commit({ a: '1' });
    const sha = 'beef'.repeat(10);
    await expect(mirrors.ensureCommit(repository.path, sha)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: `there is no commit ${sha} in ${repository.path}`,
    });
    await expect(mirrors.ensureCommit(join(folder, 'gone'), sha)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/cannot fetch from .*gone: .*does not appear to be a git repository/),
    });
  });

  it.each(['relative/path', '--upload-pack=touch x', 'ext::sh -c date', 'https://', 'host:', ''])(
    'refuses %j as a repository',
    async (url) => {
      await expect(mirrors.ensureCommit(url, 'beef'.repeat(10))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    },
  );
});

describe('mirrorName', () => {
  it('is readable, and free of secrets', () => {
    const sha = 'a'.repeat(40);
    expect(mirrorName('https://user:secret@git.example.org/team/hello.git', sha)).toMatch(
      /^team-hello-[0-9a-f]{12}\.git$/,
    );
    expect(mirrorName('git@git.example.org:team/hello.git', sha)).toMatch(/^team-hello-[0-9a-f]{12}\.git$/);
    expect(mirrorName('/repositories/hello', sha)).toMatch(/^repositories-hello-/);
    expect(mirrorName('/a/b', sha)).not.toBe(mirrorName('/a/b', 'a'.repeat(64)));
  });
});
