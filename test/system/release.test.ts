import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { makeSampleRepository } from '@starling/local/sample-repository.ts';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  built,
  commit,
  everywhere,
  observed,
  type StarlingUnderTest,
  settled,
  startUnderTest,
} from './starling-under-test.ts';

// The release manager's day, on a whole Starling of twelve machines: through the CLI, as a person types it, and the
// API where a person would look.

const run = promisify(execFile);
let starling: StarlingUnderTest;
const builds: Record<string, string> = {};
const json = async <T>(...commandLine: string[]): Promise<T> => {
  const { code, stdout, stderr } = await starling.cli(...commandLine, '--json');
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
};

beforeAll(async () => {
  starling = await startUnderTest();
  await makeSampleRepository(join(starling.data, 'hello'), process.env.PATH ?? '');
});
afterAll(async () => {
  await starling?.discard();
});

/** Asks the program of each machine itself, over HTTP, what it is. */
async function greetings(): Promise<string[]> {
  return Promise.all(
    starling.machines.map(async (machine) => {
      const port = (await readFile(join(starling.data, 'machines', machine, 'projects/hello/port'), 'utf8')).trim();
      return (await fetch(`http://127.0.0.1:${port}/`)).text();
    }),
  );
}

describe('the sample service', () => {
  it('is added, built and deployed for the first time', async () => {
    expect(await starling.cli('project', 'add', 'hello', join(starling.data, 'hello'), '--ref', 'main')).toMatchObject({
      code: 0,
    });
    for (const tag of ['v1', 'v2', 'v3']) {
      const build = await starling.cli('build', 'hello', tag, '--wait');
      expect(build.code, build.stderr).toBe(0);
    }
    const versions = await starling.api.builds.versions.query({ project: 'hello' });
    expect(versions.map(({ commitSubject, deployable }) => [commitSubject, deployable])).toEqual([
      ['Read the table at start (with a mistake)', true],
      ['Greet more warmly', true],
      ['Say hello', true],
    ]);
    for (const [index, name] of ['bad', 'better', 'good'].entries()) builds[name] = versions[index]!.id;
    const deployed = await starling.cli('deploy', 'hello', builds.good!, '--wait', '--reason', 'first');
    expect(deployed.code, deployed.stderr).toBe(0);
    await everywhere(starling, 'hello', builds.good!);
    const texts = await greetings();
    for (const [index, machine] of starling.machines.entries())
      expect(texts[index]).toMatch(new RegExp(`^Hello from Starling\\. I am [0-9a-f]{12} on ${machine}\\.`));
  });

  it('is updated, and the new program answers on every machine', async () => {
    const deployed = await starling.cli('deploy', 'hello', builds.better!, '--wait');
    expect(deployed.code, deployed.stderr).toBe(0);
    for (const text of await greetings()) expect(text).toContain('good to see you');
  });

  it('comes back by itself from a build that is never healthy, and says why it failed', async () => {
    const deployed = await starling.cli('deploy', 'hello', builds.bad!, '--wait');
    expect(deployed.code).toBe(1);
    expect(deployed.stderr + deployed.stdout).toContain('500');
    const [deployment] = await starling.api.deployments.list.query({ project: 'hello', limit: 1 });
    expect(deployment).toMatchObject({ status: 'FAILED', buildId: builds.bad });
    expect(deployment!.outcome).toContain('12 of 12 machines that answered failed');
    const machines = await starling.api.deployments.machines.query({ id: deployment!.id });
    for (const machine of machines) {
      expect(machine).toMatchObject({ step: 'FAILED' });
      expect(machine.detail).toContain('the table data/tables.bin is missing');
    }
    await everywhere(starling, 'hello', builds.better!);
    for (const text of await greetings()) expect(text).toContain('good to see you');
  });

  it('is rolled back without a byte moved, and forward again', async () => {
    const packs = async () =>
      (
        await Promise.all(
          starling.machines.map(
            async (machine) => (await readdir(join(starling.data, 'machines', machine, 'packs'))).length,
          ),
        )
      ).join(' ');
    const before = await packs();
    const back = await starling.cli('rollback', 'hello', builds.good!, '--wait', '--reason', 'too warm');
    expect(back.code, back.stderr).toBe(0);
    await everywhere(starling, 'hello', builds.good!);
    for (const text of await greetings()) expect(text).toContain('Hello from Starling. I am');
    expect(await packs()).toBe(before);
    const [rollback] = await starling.api.deployments.list.query({ project: 'hello', limit: 1 });
    expect(rollback).toMatchObject({ kind: 'ROLLBACK', status: 'SUCCEEDED', reason: 'too warm', requestedBy: 'admin' });
    const moved = await starling.api.deployments.get.query({ id: rollback!.id });
    expect(moved.regions.map(({ bytesDone }) => bytesDone)).toEqual([0, 0, 0]);

    // What was rolled back from is in quarantine, until somebody says why it may run again.
    const refused = await starling.cli('rollback', 'hello', builds.better!);
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain('in quarantine: too warm');
    const forward = await starling.cli('undo-rollback', 'hello', '--wait', '--reason', 'just right');
    expect(forward.code, forward.stderr).toBe(0);
    await everywhere(starling, 'hello', builds.better!);
    expect((await starling.api.deployments.list.query({ project: 'hello', limit: 1 }))[0]).toMatchObject({
      kind: 'ROLL_FORWARD',
    });
  });

  it('shows in every command what is the case', async () => {
    const status = await starling.cli('status');
    expect(status.stdout).toContain('hello');
    expect(await json<unknown[]>('machines')).toHaveLength(12);
    expect(await json<unknown[]>('builds', 'hello')).toHaveLength(3);
    const jobs = await starling.api.jobs.list.query({ project: 'hello' });
    const log = await starling.cli('logs', String(jobs.at(-1)!.id));
    expect(log.stdout).toContain('computing the table (12 MiB)');
  });
});

describe('a build that nobody wants any more', () => {
  it('is cancelled: its recipe ends within seconds, whatever it started', async () => {
    const repository = join(starling.data, 'slow');
    const marker = join(starling.data, 'slow.pid');
    const sha = await commit(repository, {
      'starling.yml': `version: 1\nbuild:\n  command: sh -c 'sleep 300 & echo $! > ${marker}; wait'\n  artifact: out\n`,
    });
    await starling.api.projects.add.mutate({ name: 'slow', repositoryUrl: repository });
    const { id } = await starling.api.jobs.create.mutate({ project: 'slow', ref: sha });
    const pid = await vi.waitFor(
      async () => {
        const written = Number((await readFile(marker, 'utf8')).trim());
        expect(written).toBeGreaterThan(0);
        return written;
      },
      { timeout: 30_000, interval: 50 },
    );
    expect(await starling.cli('cancel', String(id), '--reason', 'wrong branch')).toMatchObject({ code: 0 });
    expect(await starling.api.jobs.get.query({ id })).toMatchObject({
      status: 'CANCELLED',
      failureReason: 'cancelled by admin: wrong branch',
    });
    // Well before the heartbeat, which is every 15 s.
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 10_000, interval: 50 });
    expect(await starling.cli('cancel', String(id))).toMatchObject({ code: 0 });
  });
});

describe('other repositories', () => {
  it('a C program with make is built and run without a change to Starling', async () => {
    const repository = join(starling.data, 'c-service');
    await commit(repository, {
      Makefile: 'dist/counter: counter.c\n\tmkdir -p dist\n\tcc -O2 -Wall -o dist/counter counter.c\n',
      'counter.c': `
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static volatile sig_atomic_t ending = 0;
static void end(int signal_number) { (void)signal_number; ending = 1; }
int main(void) {
  signal(SIGTERM, end);
  for (long count = 0; !ending; count++) {
    FILE *file = fopen(getenv("COUNTER_FILE"), "w");
    if (file == NULL) return 1;
    fprintf(file, "%ld\\n", count);
    fclose(file);
    usleep(100000);
  }
  return 0;
}
`,
      'starling.yml': `
version: 1
build:
  command: make
  artifact: dist/counter
run:
  command: COUNTER_FILE=/dev/null exec ./counter
health:
  command: test -x counter
  minHealthyTime: 500ms
  interval: 100ms
`,
    });
    await starling.api.projects.add.mutate({
      name: 'counter',
      repositoryUrl: pathToFileURL(repository).href,
      defaultRef: 'main',
    });
    const build = await built(starling, 'counter', 'main');
    const { id } = await starling.api.deployments.deploy.mutate({ project: 'counter', build });
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
    await everywhere(starling, 'counter', build);
    expect(new Set(Object.values(await observed(starling, 'hello')))).toEqual(new Set([builds.better]));
  });

  it('Starling builds its own agent from its own repository and puts it on the machines', async () => {
    const own = fileURLToPath(new URL('../..', import.meta.url));
    // What is checked out here, committed or not, as a commit: a clone need not carry the history of this one.
    const repository = join(starling.data, 'starling');
    await mkdir(repository);
    const { stdout } = await run(
      'git',
      ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
      { cwd: own, maxBuffer: 16 * 1024 * 1024 },
    );
    for (const file of stdout.split('\0').filter(Boolean)) {
      await cp(join(own, file), join(repository, file), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
    await commit(repository, {});
    await starling.api.projects.add.mutate({ name: 'starling-agent', repositoryUrl: repository, defaultRef: 'main' });
    const build = await built(starling, 'starling-agent', 'main', 290_000);
    const { id } = await starling.api.deployments.deploy.mutate({ project: 'starling-agent', build });
    expect(await settled(starling, id, 290_000)).toMatchObject({ status: 'SUCCEEDED' });
    await everywhere(starling, 'starling-agent', build);
    const current = join(starling.data, 'machines/us-east-3/projects/starling-agent/current');
    const { stdout: version } = await run(process.execPath, ['apps/agent/src/main.ts', 'version'], { cwd: current });
    expect(version.trim()).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('bad input', () => {
  const recipe = (build: string) => `version: 1\nbuild:\n${build}`;
  const working = '  command: mkdir -p out && echo hi > out/file\n  artifact: out\n';

  it.each([
    [
      'a recipe that fails',
      recipe('  command: echo this is why; exit 3\n  artifact: out\n'),
      /recipe exited with code 3[\s\S]*this is why/,
    ],
    ['a recipe that hangs', recipe('  command: sleep 600\n  artifact: out\n  timeout: 1s\n'), /1 s/],
    ['an artifact that is missing', recipe('  command: "true"\n  artifact: out/nothing\n'), /out\/nothing/],
    ['an artifact that is empty', recipe('  command: mkdir out\n  artifact: out\n'), /empty/],
    [
      'a broken starling.yml',
      'version: 1\nbuild:\n  comand: make\n  artifact: out\n',
      /line 3: build\.comand: is not a field Starling knows/,
    ],
    ['text that is no YAML', 'version: 1\n  build: [', /starling\.yml, line \d+, column \d+: /],
  ])('%s ends the job with the reason', async (_, starlingYml, reason) => {
    const repository = join(starling.data, 'bad');
    const sha = await commit(repository, { 'starling.yml': starlingYml });
    await starling.cli('project', 'add', 'bad', repository);
    const answer = await starling.cli('build', 'bad', sha, '--wait', '--timeout', '60s');
    expect(answer.code, answer.stdout + answer.stderr).toBe(1);
    const [job] = await starling.api.jobs.list.query({ project: 'bad', limit: 1 });
    expect(job).toMatchObject({ status: 'FAILED', commitSha: sha });
    expect(job!.failureReason).toMatch(reason);
  });

  it('an unknown SHA, project or build is refused at once, with what there is', async () => {
    const unknown = await starling.cli('build', 'hello', 'f'.repeat(40));
    expect(unknown.code).not.toBe(0);
    expect(unknown.stderr).toContain('ffffffffffff');
    expect(await starling.cli('build', 'nothing')).toMatchObject({ code: 4 });
    expect(await starling.cli('deploy', 'hello', 'hello@ffffffffffff')).toMatchObject({ code: 4 });
  });

  it('a region that is down keeps a build from being deployed, and is named', async () => {
    const store = join(starling.data, 'blobs/us-east');
    await run('mv', [store, `${store}-away`]);
    await writeFile(store, 'not a folder');
    try {
      const repository = join(starling.data, 'bad');
      const sha = await commit(repository, { 'starling.yml': recipe(working) });
      const { id } = await starling.api.jobs.create.mutate({ project: 'bad', ref: sha });
      const buildId = await vi.waitFor(
        async () => {
          const job = await starling.api.jobs.get.query({ id });
          expect(job.status).toBe('SUCCEEDED');
          const build = await starling.api.builds.get.query({ id: job.buildId! });
          expect(build.replicas.map(({ status }) => status)).toEqual(['REPLICATED', 'FAILED', 'REPLICATED']);
          return build.id;
        },
        { timeout: 60_000, interval: 200 },
      );
      const refused = await starling.cli('deploy', 'bad', buildId);
      expect(refused.code).toBe(5);
      expect(refused.stderr).toContain('us-east FAILED');
    } finally {
      await run('rm', [store]);
      await run('mv', [`${store}-away`, store]);
    }
  });

  it('a version key that was tampered with reaches no machine', async () => {
    const { default: postgres } = await import('postgres');
    const url = new URL(starling.databaseUrl);
    const sql = postgres({ host: url.searchParams.get('host')!, user: 'starling', database: 'starling', max: 1 });
    // Someone who can write to the database, but has no key to sign with, points a region at another build.
    await sql`update version_keys set sequence = sequence + 1, document = jsonb_set(jsonb_set(document, '{sequence}', to_jsonb(sequence + 1)), '{stable,build}', to_jsonb(${builds.bad!}::text)) where project = 'hello' and region = 'eu-west'`;
    await sql`select pg_notify('starling_changes', 'version-keys')`;
    await vi.waitFor(
      async () =>
        expect(await readFile(join(starling.data, 'logs/hub-eu-west.log'), 'utf8')).toMatch(/signature does not match/),
      { timeout: 20_000, interval: 200 },
    );
    await sql.end();
    await everywhere(starling, 'hello', builds.better!);
  });
});
