import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queryPrometheus } from '@starling/server/analysis/prometheus.ts';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

// The same client as in the tests beside it, against a real Prometheus where one is installed.

const missing =
  spawnSync('prometheus', ['--version'], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'prometheus is not installed: apt-get install -y --no-install-recommends prometheus';
if (missing) process.stderr.write(`\nSKIPPED: queries are not tried on a real Prometheus. ${missing}\n\n`);

describe.skipIf(missing !== undefined)('with a real Prometheus', () => {
  let folder: string;
  let base: string;
  let server: ChildProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-prometheus-'));
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    const config = join(folder, 'prometheus.yml');
    await writeFile(
      config,
      `scrape_configs: [{ job_name: self, scrape_interval: 1s, static_configs: [{ targets: ["127.0.0.1:${port}"] }] }]\n`,
    );
    server = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    await vi.waitFor(async () => expect(await ask('up')).toMatchObject({ verdict: 'SUCCESSFUL' }), 60_000);
  }, 90_000);
  afterAll(async () => {
    const exited = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  });

  const ask = (query: string, condition = '== 1', failCondition?: string) =>
    queryPrometheus({ base, query, condition, failCondition, timeoutMs: 10_000, signal: new AbortController().signal });

  it.each([
    ['up', '== 1', 'SUCCESSFUL', '1 == 1'],
    ['up{job="self"} * 0.5', '>= 1', 'FAILED', '0.5 is not >= 1'],
    ['scalar(up)', '== 1', 'SUCCESSFUL', '1 == 1'],
    ['up{job="nothing"}', '== 1', 'INCONCLUSIVE', 'the query gave no value'],
    ['up / 0 - up / 0', '== 1', 'INCONCLUSIVE', 'the query gave NaN'],
    ['up / 0', '< 1', 'FAILED', 'Infinity is not < 1'],
    ['up[1m]', '== 1', 'ERROR', expect.stringContaining('no vector and no scalar')],
    ['sum(', '== 1', 'ERROR', expect.stringMatching(/^Prometheus: bad_data: .*parse error/)],
  ])('%s %s is %s', async (query, condition, verdict, detail) => {
    expect(await ask(query, condition)).toEqual({ verdict, detail });
  });
});

async function freePort(): Promise<number> {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  return port;
}
