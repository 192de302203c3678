import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSoak } from '../test/soak/soak.ts';

// Two thousand tiny builds by eight workers and two control servers, one of which is killed every 20 s, and a worker every
// 5 s. Ends with 1 when a check fails. `--keep` leaves the folder with all logs.

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: {
      builds: { type: 'string', default: '2000' },
      workers: { type: 'string', default: '8' },
      controls: { type: 'string', default: '2' },
      'kill-control-every': { type: 'string', default: '20' },
      'kill-worker-every': { type: 'string', default: '5' },
      minutes: { type: 'string', default: '60' },
      folder: { type: 'string', default: tmpdir() },
      keep: { type: 'boolean', default: false },
    },
  });
  const data = await mkdtemp(join(values.folder, 'starling-soak-'));
  await chmod(data, 0o711);
  try {
    const result = await runSoak({
      data,
      builds: Number(values.builds),
      workers: Number(values.workers),
      controls: Number(values.controls),
      killControlEveryMs: Number(values['kill-control-every']) * 1_000,
      killWorkerEveryMs: Number(values['kill-worker-every']) * 1_000,
      deadlineMs: Number(values.minutes) * 60_000,
      onProgress: (line) => process.stderr.write(`${line}\n`),
    });
    const { checks, attempts, kills, seconds, passed, ...more } = result;
    console.table(checks.map((check) => ({ ...check, ok: check.expected === check.found ? 'yes' : 'NO' })));
    console.table(Object.entries(attempts).map(([taken, jobs]) => ({ attempts: Number(taken), jobs })));
    console.table({
      seconds,
      'builds a minute': Math.round((Number(values.builds) / seconds) * 60),
      'control servers killed': kills.control,
      'workers killed': kills.worker,
      'attempts after a lost one': more.retriedAttempts,
      'put back by the worker, started again': more.putBack.byWorker,
      'put back by the monitor': more.putBack.byMonitor,
      'recipes run': more.recipesRun,
      'times a loop got a leader': more.leaderships,
      'requests made again': more.repeatedRequests,
    });
    process.stdout.write(
      `${JSON.stringify({ bench: 'soak', builds: Number(values.builds), seconds, passed, kills, attempts, ...more, checks })}\n`,
    );
    if (!passed) process.exitCode = 1;
  } finally {
    if (values.keep) process.stderr.write(`kept: ${data}\n`);
    else await rm(data, { recursive: true, force: true });
  }
}
