import { connect } from '@starling/server/db/connect.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { startCommandTasks } from '@starling/server/tasks/run-command-tasks.ts';
import { systemClock } from '@starling/shared/clock.ts';

// The part of a worker that runs commands, as a process that a test can kill.

await startCommandTasks({
  database: connect(process.env.TEST_DATABASE_URL!, { applicationName: 'w1' }),
  worker: 'w1',
  labels: {},
  dataDir: process.env.TEST_FOLDER!,
  environment: { PATH: process.env.PATH! },
  clock: systemClock,
  log: createLogger('w1', 'silent'),
  everyMs: 30,
  heartbeatMs: 30,
});
