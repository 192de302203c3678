import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import type { RunSpec } from '@starling/shared/manifest.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forAll, sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

const mib = 1024 * 1024;
const isRoot = process.getuid?.() === 0;
/** However busy this machine is, what takes too much is found out before the build is committed. */
const neverWell: Partial<RunSpec> = { minHealthyTimeMs: 600_000, healthyDeadlineMs: 900_000 };
/** A user of the system that nothing else runs as: the kernel counts all processes of a user. */
const user = 'games';

describe('limits of a program', { timeout: 60_000 }, () => {
  let scene: Scene;
  let pids: string;
  beforeEach(async () => {
    scene = await Scene.open();
    pids = join(scene.folder, 'pids');
    await writeFile(pids, '');
    await chmod(pids, 0o666);
    await chmod(scene.folder, 0o755);
  });
  afterEach(() => scene.close());

  /** Deploys a good build, then this one; what the machine says when it has failed, back on the good one. */
  async function failureOf(script: string, run: Partial<RunSpec>): Promise<string> {
    const good = await scene.build('a1', 1);
    scene.hub.publishKey(sampleKey(1, good.target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    const { target } = await scene.build('b2', 2, script, { ...neverWell, ...run });
    scene.hub.publishKey(sampleKey(2, good.target, { candidate: forAll(target) }));
    const failed = () => scene.hub.reports.find(({ step, deployment }) => step === 'FAILED' && deployment === 2);
    // Taking that much takes a busy machine long.
    await scene.hub.until('its failure', () => failed() !== undefined, 45_000);
    expect(failed()?.observedBuild).toBe(good.target.build);
    expect(await scene.currentVersion()).toBe('a1');
    return failed()?.detail ?? '';
  }
  const allGone = async () => {
    const started = (await readFile(pids, 'utf8')).split('\n').filter(Boolean).map(Number);
    await eventually('nothing of it is left', () => started.every((pid) => startOf(pid) === undefined));
    return started.length;
  };
  /** Says a line, and then holds on to that much memory. */
  const node = (megabytes: number) =>
    `${process.execPath} -e 'console.log("reading the catalogue"); global.kept = Buffer.alloc(${megabytes} * 2 ** 20, 1); setInterval(() => {}, 1e6)'`;

  it('one that uses more memory than its limit is ended, and the machine says how much', async () => {
    const detail = await failureOf(`exec ${node(300)}`, { limits: { memoryBytes: 256 * mib } });
    expect(detail).toMatch(
      /^the program was ended for using more memory than its limit of 256\.0 MiB before it was healthy\nIt used \d{3}\.\d MiB when it was looked at\.\n/,
    );
    expect(detail).toContain('The last lines of its log:\nreading the catalogue');
  });

  it('what it started counts with it, and goes with it', async () => {
    const child = `setsid sh -c 'echo $$ >> ${pids}; exec ${node(100).replaceAll("'", "'\\''")}' &`;
    const detail = await failureOf(`${child}\n${child}\n${child}\nwait`, { limits: { memoryBytes: 256 * mib } });
    expect(detail).toMatch(
      /using more memory than its limit of 256\.0 MiB before it was healthy\nIt used \d{3}\.\d MiB/,
    );
    expect(await allGone()).toBe(3);
  });

  it('one that stays below its limit runs, however much it reserves', async () => {
    // Looked at more than once before it is committed.
    const run = { limits: { memoryBytes: 256 * mib }, minHealthyTimeMs: 2_000 };
    const { target } = await scene.build('a1', 1, `exec ${node(100)}`, run);
    scene.hub.publishKey(sampleKey(1, target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    expect(await scene.starts()).toEqual([target.build]);
  });

  it('one that grows later is started again, also when another agent began it; whoever looks is told why', async () => {
    const go = join(scene.folder, 'go');
    const script = `until test -e ${go}; do sleep 0.05; done; rm ${go}; exec ${node(300)}`;
    const { target } = await scene.build('a1', 1, script, { limits: { memoryBytes: 256 * mib } });
    scene.hub.publishKey(sampleKey(1, target));
    await scene.start();
    await scene.hub.untilStep('COMMITTED', 1);
    const first = await scene.programPid();
    await scene.stopAgent();
    await scene.start();
    expect(startOf(first)).toBeDefined();
    await writeFile(go, '');
    await eventually('it is started again', async () => (await scene.starts()).length === 2);
    const told = scene.hub.reports.find(({ detail }) => detail.includes('started again'));
    expect(told?.detail).toMatch(
      /^the program was ended for using more memory than its limit of 256\.0 MiB \(it used \d{3}\.\d MiB when it was looked at; its last line: reading the catalogue\); it is started again in 1 s$/,
    );
  });

  it('a hook is held to them too', async () => {
    const detail = await failureOf('exec sleep 600', {
      limits: { memoryBytes: 256 * mib },
      hooks: { afterInstall: { command: `exec ${node(300)}`, timeoutMs: 30_000 } },
    });
    expect(detail).toMatch(
      /^afterInstall of hello@b2\S+ was ended for using more memory than its limit of 256\.0 MiB\nIt used .*\.\nIts last lines:\nreading/,
    );
  });

  const forking = () => `i=0; while [ $i -lt 40 ]; do sleep 600 & echo $! >> ${pids}; i=$((i+1)); done; wait`;

  it.skipIf(!isRoot)(
    'root, for whom the kernel knows no such limit, is ended with more processes than its limit',
    async () => {
      const detail = await failureOf(forking(), { limits: { processes: 12 } });
      expect(detail).toMatch(
        /was ended for having more processes and threads than its limit of 12 before it was healthy\nIt had \d\d when/,
      );
      expect(await allGone()).toBeGreaterThanOrEqual(12);
    },
  );

  it.skipIf(!isRoot)('another user cannot have more processes than its limit', async () => {
    const detail = await failureOf(forking(), { user, limits: { processes: 12 } });
    expect(detail).toContain('the program exited with code 2');
    expect(detail).toMatch(/Cannot fork/i);
    expect(await allGone()).toBeLessThan(12);
  });
});

if (!isRoot)
  console.warn('limits.test.ts: SKIPPED the limits of processes and other users, which only root can ask for');
