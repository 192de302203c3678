import { parseArgs } from 'node:util';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { loadLighterModules } from './lighter-modules.ts';

// One program, three roles: `main.ts control`, `main.ts worker`, `main.ts hub`. Each `run-*.ts` wires the rooms of its
// role together; nothing else imports across rooms. `main.ts doctor [role …] [--json]` starts none of them and says what
// would keep them from working.

loadLighterModules();

// Each role loads only what it runs: a hub has no use for the API, and memory for it would be taken all the same.
const roles = {
  control: async () => (await import('./run-control.ts')).runControl((await config()).readConfig('control')),
  worker: async () => (await import('./run-worker.ts')).runWorker((await config()).readConfig('worker')),
  hub: async () => (await import('./run-hub.ts')).runHub((await config()).readConfig('hub')),
  doctor: () => doctor(process.argv.slice(3)),
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
  const { databaseTrouble } = await import('./db/database-trouble.ts');
  const error = databaseTrouble(thrown) ?? thrown;
  const fix = error instanceof StarlingError && error.fix ? `\n${error.fix}` : '';
  process.stderr.write(`starling-server ${role}: ${messageOf(error)}${fix}\n`);
  // 2 where trying again does not help until somebody has changed something.
  process.exit(error instanceof StarlingError && ['INVALID_INPUT', 'CONFLICT'].includes(error.code) ? 2 : 1);
}

function config() {
  return import('./config.ts');
}

async function doctor(words: string[]): Promise<void> {
  const [{ isRole }, { examine }, { findingsText }] = await Promise.all([
    config(),
    import('./run-doctor.ts'),
    import('./doctor/print-findings.ts'),
  ]);
  const { values, positionals } = parseArgs({
    args: words,
    options: { json: { type: 'boolean' } },
    allowPositionals: true,
  });
  const unknown = positionals.find((word) => !isRole(word));
  if (unknown !== undefined) throw new StarlingError('INVALID_INPUT', `there is no role ${JSON.stringify(unknown)}`);
  const findings = await examine(positionals.filter(isRole));
  const text = values.json ? `${JSON.stringify(findings, null, 2)}\n` : findingsText(findings);
  await new Promise((resolve) => process.stdout.write(text, resolve));
  process.exit(findings.some(({ status }) => status === 'bad') ? 1 : 0);
}
