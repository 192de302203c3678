import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { verifyManifest } from '@starling/packs/signed-manifest.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BlobStore, manifestKey, packKey } from '../blobs/blob-store.ts';
import { openFolderStore } from '../blobs/folder-store.ts';
import { type TestJob, TestQueue } from './test-queue.ts';
import { recipeYaml, TestRepository } from './test-repository.ts';
import { startWorker, type Worker, type WorkerOptions } from './worker.ts';

const keys = generateSigningKey();
const trusted = new TrustedKeys('manifest', [keys.publicPem]);

let folder: string;
let repository: TestRepository;
let queue: TestQueue;
let blobs: BlobStore;
let worker: Worker | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-worker-'));
  repository = new TestRepository(join(folder, 'repository'));
  queue = new TestQueue();
  blobs = openFolderStore(join(folder, 'main'));
});
afterEach(async () => {
  await worker?.stop();
  worker = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function start(more: Partial<WorkerOptions> = {}): Promise<Worker> {
  worker = await startWorker({
    name: 'worker-1',
    dataDir: join(folder, 'data'),
    queue,
    blobs,
    signer: new Signer('manifest', keys.privatePem),
    trusted,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    environment: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder, LANG: 'C.UTF-8' },
    pollMs: 50,
    heartbeatMs: 50,
    graceMs: 300,
    minFreeBytes: 0,
    ...more,
  });
  return worker;
}

const ended = async (job: TestJob): Promise<TestJob> => {
  await queue.until(() => job.status === 'SUCCEEDED' || job.status === 'FAILED');
  return job;
};

async function build(files: Record<string, string>, more: Partial<WorkerOptions> = {}): Promise<TestJob> {
  const commitSha = repository.commit(files);
  const job = queue.add({ repositoryUrl: repository.path, commitSha });
  await start(more);
  return ended(job);
}

const isAlive = (pid: number): boolean => {
  try {
    // A killed process whose new parent has not asked for it yet still has an entry, but is over.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

describe('a worker', () => {
  it('takes a commit to a signed build of one file', async () => {
    const job = await build({
      'starling.yml': recipeYaml('mkdir out && cp hello.sh out/app && chmod +x out/app', 'out/app'),
      'hello.sh': 'echo hello',
    });
    expect(job.reason).toBeUndefined();
    expect(job.stages).toEqual(['CHECKOUT', 'RECIPE', 'PACK', 'UPLOAD']);
    const { manifestDigest, packDigest, buildId, ...rest } = job.build!;
    expect(rest).toMatchObject({
      commitAuthor: 'Ada Example',
      commitSubject: 'Change things',
      fileCount: 1,
      streamBytes: 10,
      newBytes: 10,
      packBytes: 10,
      packs: [packDigest],
    });
    const bytes = await buffer(await blobs.read(manifestKey(manifestDigest)));
    const manifest = verifyManifest(bytes, { digest: manifestDigest, build: buildId, project: 'hello' }, trusted);
    expect(manifest.entries).toMatchObject([{ type: 'file', path: 'hello', executable: true, sizeBytes: 10 }]);
    expect(manifest.provenance).toMatchObject({ commitSha: job.attempt.commitSha, worker: 'worker-1' });
    expect((await buffer(await blobs.read(packKey(packDigest!)))).toString()).toBe('echo hello');
    expect(queue.packs.map(({ digest }) => digest)).toEqual([packDigest]);
    const log = queue.log(job);
    expect(log).toMatch(new RegExp(`checkout ${job.attempt.commitSha} of ${repository.path}`));
    expect(log).toMatch(
      /running: mkdir out[\s\S]*packing out\/app[\s\S]*uploading to folder[\s\S]*finished after .* build hello@/,
    );
  });

  it('stores nothing for a tree that there is already, on any worker', async () => {
    const commitSha = repository.commit({
      'starling.yml': recipeYaml('mkdir dist && cp -r src/. dist/ && ln -s a dist/b', 'dist'),
      'src/a': 'first',
      'src/deep/c*': 'second',
    });
    const jobs = [1, 2].map(() => queue.add({ repositoryUrl: repository.path, commitSha }));
    await start();
    await ended(jobs[0]!);
    await ended(jobs[1]!);
    await worker?.stop();
    jobs.push(queue.add({ repositoryUrl: `file://${repository.path}`, commitSha }));
    await start({ name: 'worker-2', dataDir: join(folder, 'other') });
    await ended(jobs[2]!);
    expect(jobs.map(({ reason }) => reason)).toEqual([undefined, undefined, undefined]);
    expect(jobs.map(({ build }) => build?.packDigest)).toEqual([expect.any(String), null, null]);
    expect(new Set(jobs.map(({ build }) => build?.packs[0])).size).toBe(1);
    expect(jobs[0]?.build?.fileCount).toBe(2);
    expect(queue.log(jobs[1]!)).toMatch(/which was in the mirror[\s\S]*nothing of it is new/);
  });

  /** A program of 3 MiB of which one word in a thousand changes from build to build. */
  const program = (version: number) =>
    recipeYaml(
      `mkdir dist && awk 'BEGIN { srand(1); for (i = 0; i < 300000; i++) print (i % 1000 == 7 ? "version ${version}" : int(rand() * 1e9)) }' > dist/program && echo ${version} > dist/version`,
      'dist',
    );

  it('stores only what is new, and patches for machines that have the build before', async () => {
    await start();
    const jobs = [];
    for (const version of [1, 2, 3]) {
      const commitSha = repository.commit({ 'starling.yml': program(version) });
      jobs.push(await ended(queue.add({ repositoryUrl: repository.path, commitSha })));
      // What was kept of the build before is damaged, once: it is made anew from the store.
      const trees = join(folder, 'data/workers/worker-1/builds/hello/trees');
      if (version === 2) await writeFile(join(trees, (await readdir(trees))[0]!, 'program'), 'damaged');
    }
    const [one, two, three] = jobs.map(({ build }) => build!);
    expect(jobs.map(({ reason }) => reason)).toEqual([undefined, undefined, undefined]);
    for (const later of [two!, three!]) {
      expect(later.patchBytes).toBeGreaterThan(0);
      expect(later.patchBytes).toBeLessThan(one!.packBytes / 20);
    }
    expect(queue.log(jobs[1]!)).toMatch(/is new: .* of chunks and .* of patches/);
    expect(queue.log(jobs[2]!)).toMatch(/the build before, is made here: .* from folder/);
    const bytes = await buffer(await blobs.read(manifestKey(three!.manifestDigest)));
    const manifest = verifyManifest(bytes, { digest: three!.manifestDigest, project: 'hello' }, trusted);
    expect(manifest.ancestors.map(({ build }) => build)).toEqual([two!.buildId, one!.buildId]);
    expect(manifest.packs.at(-1)?.digest).toBe(three!.packDigest);
  });

  it('goes without patches when it may keep no tree, and says so', async () => {
    await start({ treeBudgetBytes: 0 });
    const jobs = [];
    for (const version of [1, 2]) {
      const commitSha = repository.commit({ 'starling.yml': program(version) });
      jobs.push(await ended(queue.add({ repositoryUrl: repository.path, commitSha })));
    }
    expect(jobs[1]?.build?.patchBytes).toBe(0);
    expect(queue.log(jobs[1]!)).toMatch(/more than may be kept: no patches/);
  });

  it('gives the recipe a lean environment, and the commit in a repository of its own', async () => {
    const job = await build({
      'starling.yml': recipeYaml(
        'env > out; git rev-parse HEAD >> out; git status --porcelain >> out; test -d "$TMPDIR"; cat',
        'out',
        { environment: '{ COLOUR: blue }' },
      ),
    });
    expect(job.reason).toBeUndefined();
    const [tree] = await readdir(join(folder, 'data/workers/worker-1/builds/hello/trees'));
    const kept = join(folder, 'data/workers/worker-1/builds/hello/trees', tree!, 'hello');
    const lines = readFileSync(kept, 'utf8').trim().split('\n');
    const variables = lines.filter((line) => line.includes('=')).map((line) => line.split('=')[0]);
    const own = [
      'CI',
      'COLOUR',
      'HOME',
      'LANG',
      'PATH',
      'SOURCE_DATE_EPOCH',
      'STARLING_COMMIT',
      'STARLING_PROJECT',
      'TMPDIR',
    ];
    expect(variables.filter((name) => !['PWD', 'OLDPWD', '_', 'SHLVL'].includes(name!)).sort()).toEqual(own);
    expect(lines).toContain('COLOUR=blue');
    expect(lines.at(-2)).toBe(job.attempt.commitSha);
    expect(lines.at(-1)).toBe('?? out');
  });

  it('streams the log while the recipe runs, in order, errors as well', async () => {
    const go = join(folder, 'go');
    const commitSha = repository.commit({
      'starling.yml': recipeYaml(
        `echo one; echo two >&2; echo three > /dev/stderr; printf 'no end'; while ! test -e ${go}; do sleep 0.02; done; echo; echo four; echo x > out`,
        'out',
      ),
    });
    const job = queue.add({ repositoryUrl: repository.path, commitSha });
    await start();
    await queue.until(() => queue.log(job).includes('one\ntwo\nthree\nno end'));
    expect(job.status).toBe('RUNNING');
    await writeFile(go, '');
    await ended(job);
    expect(queue.log(job)).toMatch(/no end\nfour\nrecipe finished in/);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['no starling.yml', { readme: 'x' }, /there is no starling\.yml at [0-9a-f]{12}/],
    ['a broken starling.yml', { 'starling.yml': 'version: 1\nbuild:\n  comand: make\n' }, /line 3: build\.comand/],
    [
      'a failing recipe',
      { 'starling.yml': recipeYaml('echo first; echo no such header >&2; exit 7', 'out') },
      /recipe exited with code 7: first \| no such header/,
    ],
    ['a recipe that is killed', { 'starling.yml': recipeYaml('kill -SEGV $$', 'out') }, /was ended by SIGSEGV/],
    [
      'a missing artifact',
      { 'starling.yml': recipeYaml('true', 'out/app') },
      /out\/app is not there .* has starling\.yml/,
    ],
    ['an empty artifact', { 'starling.yml': recipeYaml('touch app', 'app') }, /an empty file/],
    [
      'a recipe over its time',
      { 'starling.yml': recipeYaml('echo going; exec sleep 600', 'out', { timeout: '1s' }) },
      /longer than its timeout of 1 s and was ended: going/,
    ],
  ])('says what is wrong with %s, and does not try again', async (_what, files, reason) => {
    const job = await build(files);
    expect(job.status).toBe('FAILED');
    expect(job.reason).toMatch(reason);
    expect(job.retry).toBe(false);
    expect(queue.log(job)).toMatch(/failed after .*: /);
    await worker?.stop();
    expect(await readdir(join(folder, 'data/workers/worker-1/work'))).toEqual([]);
  });

  it('says which commit is unknown to which repository', async () => {
    repository.commit({ readme: 'x' });
    const job = queue.add({ repositoryUrl: repository.path, commitSha: 'dead'.repeat(10) });
    await start();
    expect((await ended(job)).reason).toContain(`there is no commit ${'dead'.repeat(10)} in ${repository.path}`);
    expect(job.retry).toBe(false);
  });

  it('tries again where the repository or the store cannot be reached', async () => {
    const gone = queue.add({ repositoryUrl: join(folder, 'gone'), commitSha: 'dead'.repeat(10) });
    await start();
    expect(await ended(gone)).toMatchObject({
      retry: true,
      reason: expect.stringMatching(/cannot fetch from .*gone.*not appear to be a git repository/),
    });
    await worker?.stop();

    await writeFile(join(folder, 'a-file'), '');
    blobs = openFolderStore(join(folder, 'a-file'));
    const job = await build({ 'starling.yml': recipeYaml('echo x > out', 'out') });
    expect(job).toMatchObject({ retry: true, reason: expect.stringMatching(/cannot write to .*a-file/) });
  });

  it('goes on with the next job after a failed one', async () => {
    const bad = queue.add({ repositoryUrl: repository.path, commitSha: repository.commit({ a: '1' }) });
    const good = queue.add({
      repositoryUrl: repository.path,
      commitSha: repository.commit({ 'starling.yml': recipeYaml('echo x > out', 'out') }),
    });
    await start();
    await ended(good);
    expect([bad.status, good.status]).toEqual(['FAILED', 'SUCCEEDED']);
  });

  /** A recipe whose grandchild ignores SIGTERM and writes its id to a file before the recipe says that it runs. */
  function stubbornRecipe(pidFile: string): string {
    const grandchild = `trap "" TERM; echo $$ > ${pidFile}; while :; do sleep 0.1; done`;
    return `sh -c '${grandchild}' & while ! test -s ${pidFile}; do sleep 0.02; done; echo running now; wait`;
  }

  async function untilRunning(job: TestJob, pidFile: string): Promise<number> {
    await queue.until(() => queue.log(job).includes('running now\n'));
    const pid = Number(readFileSync(pidFile, 'utf8'));
    expect(isAlive(pid)).toBe(true);
    return pid;
  }

  it('kills the whole process group when the attempt is taken away', async () => {
    const pidFile = join(folder, 'pid');
    const commitSha = repository.commit({ 'starling.yml': recipeYaml(stubbornRecipe(pidFile), 'out') });
    const job = queue.add({ repositoryUrl: repository.path, commitSha });
    const next = queue.add({
      repositoryUrl: repository.path,
      commitSha: repository.commit({ 'starling.yml': recipeYaml('echo x > out', 'out') }),
    });
    await start();
    const pid = await untilRunning(job, pidFile);
    queue.lose(job);
    await ended(next);
    expect(isAlive(pid)).toBe(false);
    expect(job.reason).toBe('taken away');
    expect(job.build).toBeUndefined();
  });

  it('ends an attempt at its deadline', async () => {
    const pidFile = join(folder, 'pid');
    const commitSha = repository.commit({ 'starling.yml': recipeYaml(stubbornRecipe(pidFile), 'out') });
    const job = queue.add({ repositoryUrl: repository.path, commitSha, deadlineMs: 1_500 });
    await start();
    expect(await ended(job)).toMatchObject({ retry: false, reason: expect.stringMatching(/deadline/) });
    expect(isAlive(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
  });

  it('puts its job back when it is stopped', async () => {
    const pidFile = join(folder, 'pid');
    const commitSha = repository.commit({ 'starling.yml': recipeYaml(stubbornRecipe(pidFile), 'out') });
    const job = queue.add({ repositoryUrl: repository.path, commitSha });
    const running = await start();
    const pid = await untilRunning(job, pidFile);
    await running.stop();
    expect(job).toMatchObject({ status: 'FAILED', retry: true, reason: 'the worker was stopped' });
    expect(isAlive(pid)).toBe(false);
    expect(await readdir(join(folder, 'data/workers/worker-1/work'))).toEqual([]);
  });

  describe('that is stopped with time to drain', () => {
    const waiting = (go: string) =>
      repository.commit({
        'starling.yml': recipeYaml(`echo waiting; while ! test -e ${go}; do sleep 0.02; done; echo x > out`, 'out'),
      });

    it('finishes its job and takes no other', async () => {
      const go = join(folder, 'go');
      const job = queue.add({ repositoryUrl: repository.path, commitSha: waiting(go) });
      const next = queue.add({ repositoryUrl: repository.path, commitSha: waiting(go) });
      const running = await start();
      await queue.until(() => queue.log(job).includes('waiting\n'));
      const stopped = running.stop({ drainMs: 60_000 });
      running.wake();
      await writeFile(go, '');
      await stopped;
      expect([job.status, next.status]).toEqual(['SUCCEEDED', 'QUEUED']);
    });

    it.each<[string, (hurry: AbortController) => number]>([
      ['when the time is over', () => 50],
      [
        'when it is told to hurry',
        (hurry) => {
          setImmediate(() => hurry.abort());
          return 60_000;
        },
      ],
    ])('puts its job back %s', async (_, timeFor) => {
      const job = queue.add({ repositoryUrl: repository.path, commitSha: waiting(join(folder, 'never')) });
      const running = await start();
      await queue.until(() => queue.log(job).includes('waiting\n'));
      const hurry = new AbortController();
      await running.stop({ drainMs: timeFor(hurry), hurry: hurry.signal });
      expect(job).toMatchObject({ status: 'FAILED', retry: true, reason: 'the worker was stopped' });
    });

    it('does not wait when it builds nothing', async () => {
      const running = await start();
      await running.stop({ drainMs: 3_600_000 });
    });
  });

  it('says what it can do when it takes a job', async () => {
    const asked: unknown[] = [];
    const take = queue.take.bind(queue);
    queue.take = (worker, options) => {
      asked.push(options);
      return take(worker);
    };
    await build({ 'starling.yml': recipeYaml('echo x > out', 'out') }, { labels: { os: 'linux' } });
    expect(asked[0]).toEqual({ labels: { os: 'linux' }, limit: 1 });
  });

  it('leaves nothing of a recipe running in the background', async () => {
    const pidFile = join(folder, 'pid');
    const job = await build({
      'starling.yml': recipeYaml(`sleep 600 & echo $! > ${pidFile}; echo x > out`, 'out'),
    });
    expect(job.status).toBe('SUCCEEDED');
    expect(queue.log(job)).toMatch(/left processes running/);
    expect(isAlive(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
  });

  it('stops a recipe when the disk is almost full, and takes no job then', async () => {
    const hog = queue.add({
      repositoryUrl: repository.path,
      commitSha: repository.commit({ 'starling.yml': recipeYaml('echo writing; exec sleep 600', 'out') }),
    });
    const next = queue.add({
      repositoryUrl: repository.path,
      commitSha: repository.commit({ 'starling.yml': recipeYaml('echo x > out', 'out') }),
    });
    let [freeBytes, looks] = [10_000, 0];
    await start({
      minFreeBytes: 1_000,
      freeBytesOf: async () => {
        looks += 1;
        return freeBytes;
      },
    });
    await queue.until(() => queue.log(hog).includes('writing'));
    freeBytes = 999;
    await ended(hog);
    expect(hog).toMatchObject({
      retry: true,
      reason: expect.stringMatching(/^the disk is almost full: 999 B are free/),
    });

    const before = looks;
    while (looks < before + 3) await systemClock.sleep(10);
    expect(next.status).toBe('QUEUED');
    freeBytes = 10_000;
    expect((await ended(next)).status).toBe('SUCCEEDED');
  });

  it('is the only one of its name in a data directory', async () => {
    await start();
    await expect(start()).rejects.toMatchObject({ code: 'CONFLICT' });
    await worker?.stop();
    await start();
    expect(existsSync(join(folder, 'data/workers/worker-1/lock'))).toBe(true);
  });
});
