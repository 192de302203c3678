import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { readConfig } from './config.ts';
import { databaseTrouble } from './db/database-trouble.ts';
import { runControl } from './run-control.ts';
import { runHub } from './run-hub.ts';
import { runWorker } from './run-worker.ts';

// One program, three roles: `main.ts control`, `main.ts worker`, `main.ts hub`. Each `run-*.ts` wires the rooms of its
// role together; nothing else imports across rooms.

const roles = {
  control: () => runControl(readConfig('control')),
  worker: () => runWorker(readConfig('worker')),
  hub: () => runHub(readConfig('hub')),
};

const role = process.argv[2] ?? '';
try {
  if (!(role in roles)) {
    throw new StarlingError('INVALID_INPUT', `expected a role, found ${JSON.stringify(role)}`, {
      fix: `Use one of: ${Object.keys(roles).join(', ')}.`,
    });
  }
  await roles[role as keyof typeof roles]();
} catch (thrown) {
  const error = databaseTrouble(thrown) ?? thrown;
  const fix = error instanceof StarlingError && error.fix ? `\n${error.fix}` : '';
  process.stderr.write(`starling-server ${role}: ${messageOf(error)}${fix}\n`);
  process.exit(error instanceof StarlingError && error.code === 'INVALID_INPUT' ? 2 : 1);
}
