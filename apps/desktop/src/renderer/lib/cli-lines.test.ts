import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cli, quote } from './cli-lines.ts';

it('writes the command that a person would type', () => {
  expect(cli.deploy('hello', 'hello@1a2b3c4d5e6f', "it's better", false)).toBe(
    `starling deploy hello hello@1a2b3c4d5e6f --reason 'it'\\''s better'`,
  );
  expect(cli.rollback('hello', undefined, ' ')).toBe('starling rollback hello');
  expect(cli.build('hello', 'v1.2', true)).toBe('starling build hello v1.2 --force');
  expect(cli.machines({})).toBe('starling machines');
  expect(cli.machines({ region: 'eu', find: 'rack=r 7', state: 'failed' })).toBe(
    "starling machines --region eu --find 'rack=r 7' --state failed",
  );
});

it('quotes so that a shell reads back the same word', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }).filter((text) => !text.includes('\0')),
      (text) => {
        expect(execFileSync('sh', ['-c', `printf %s ${quote(text)}`], { encoding: 'utf8' })).toBe(text);
      },
    ),
    { numRuns: 30 },
  );
});

describe('every line', () => {
  const reference = readFileSync(new URL('../../../../../docs/reference/cli.md', import.meta.url), 'utf8');
  /** By command, what the reference says of it. */
  const commands = new Map(
    reference
      .split(/^### starling /m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf('\n')).trim(), part]),
  );
  const lines = [
    cli.addProject('shop', '/repository', 'main'),
    cli.build('shop', 'v1', true),
    cli.deploy('shop', 'a1b2c3d', 'why', true, { hotfix: true, waves: ['10%/10m'] }),
    cli.deploy('shop', 'a1b2c3d', 'why', false, { queue: true, rollout: '{}' }),
    cli.steer('pause', 7, 'why'),
    cli.steer('resume', 7, 'why'),
    cli.steer('promote', 7, ''),
    cli.line('stop', 'shop', 'why'),
    cli.line('start', null, ''),
    cli.liftQuarantine('shop@0123456789ab', 'why'),
    cli.undoRollback('shop', 'why'),
    cli.rollback('shop', 'a1b2c3d', 'why'),
    cli.abort(7, 'why'),
    cli.decide('approve', 7, 'fine'),
    cli.decide('reject', 7, 'no'),
    cli.cancel(7, 'why'),
    cli.prioritise(7, -5),
    cli.jobs({ project: 'shop', status: 'FAILED', group: 'open' }),
    cli.status('shop'),
    cli.builds('shop'),
    cli.deployments('shop'),
    cli.deployment(7),
    cli.machines({ region: 'eu', project: 'shop', find: 'a', state: 'failed' }),
    cli.approvals(),
    cli.history({ project: 'shop', build: 'a1b2c3d', person: 'ada', status: 'FAILED', from: '7d' }),
    cli.trends({ project: 'shop', from: '30d', bucket: 'week' }),
    cli.audit('list', { project: 'shop', actor: 'ada', action: 'x', from: '7d' }),
    cli.audit('export', { project: 'shop', actor: 'ada', action: 'x', from: '7d' }),
    cli.auditVerify(),
    cli.queue(),
    cli.workers(),
    cli.drain('w', false),
    cli.drain('w', true),
    cli.regions(),
    cli.servers(),
    cli.identities({ kind: 'hub', region: 'eu', revoked: true }),
    cli.enrol('agent', 'eu', 5, 1),
    cli.enrol('worker', undefined, 1, 24),
    cli.revokeIdentity('hub', 'h'),
    cli.decommission('m'),
    cli.settings('shop', true),
    cli.webhookSecret('shop', true),
    cli.accounts(),
    cli.addAccount('nora', 'nora@example.org', false),
    cli.grant('grant', 'nora', 'viewer', 'shop'),
    cli.grant('revoke', 'nora', 'viewer', undefined),
    ...(['disable', 'enable', 'unlock', 'password'] as const).map((verb) => cli.account(verb, 'nora')),
    cli.tokens(),
    cli.createToken('a script', 'viewer', 30),
    cli.revokeToken(7),
    cli.freezes(),
    cli.addFreeze({ reason: 'why', project: 'shop', from: 'a', until: 'b', weekly: 'c' }),
    cli.liftFreeze(7),
    cli.channels(),
    cli.testChannel('c'),
    cli.setChannel('chat', 'slack', { kinds: ['build.failed'], project: 'shop' }),
    cli.setChannel('', 'email', { to: ['a@example.org'] }),
    cli.removeChannel('c'),
    cli.resendAlerts(),
    cli.withdrawInvitation(7),
    cli.changePassword(),
    cli.collect(true),
    cli.doctor(),
    cli.logs(7),
  ];

  it.each(lines)('is one that the CLI knows, with options that it has: %s', (line) => {
    const words = line.split(' ').slice(1);
    const name = [words.slice(0, 2).join(' '), words[0]!].find((candidate) => commands.has(candidate));
    expect(name, `no command of the reference begins so`).toBeDefined();
    for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(commands.get(name!)).toContain(`${option}`);
  });

  it('is tried here', () => {
    const tried = new Set(lines.map((line) => line.split(' ').slice(1, 3).join(' ')));
    expect(tried.size).toBeGreaterThan(Object.keys(cli).length * 0.8);
  });
});

describe('everything that the console changes', () => {
  /** By what is called: which line says how to do the same in a terminal. Whoever adds a deed finds here that it has none. */
  const lineOf: Record<string, keyof typeof cli> = {
    'accounts.add': 'addAccount',
    'accounts.changePassword': 'changePassword',
    'accounts.disable': 'account',
    'accounts.enable': 'account',
    'accounts.grant': 'grant',
    'accounts.revoke': 'grant',
    'accounts.setPassword': 'account',
    'accounts.unlock': 'account',
    'alerts.removeChannel': 'removeChannel',
    'alerts.resend': 'resendAlerts',
    'alerts.setChannel': 'setChannel',
    'alerts.testChannel': 'testChannel',
    'approvals.approve': 'decide',
    'approvals.reject': 'decide',
    'deployments.abort': 'abort',
    'deployments.deploy': 'deploy',
    'deployments.pause': 'steer',
    'deployments.promote': 'steer',
    'deployments.resume': 'steer',
    'deployments.rollback': 'rollback',
    'deployments.undoRollback': 'undoRollback',
    'freezes.add': 'addFreeze',
    'freezes.lift': 'liftFreeze',
    'identities.invite': 'enrol',
    'identities.revoke': 'revokeIdentity',
    'identities.withdraw': 'withdrawInvitation',
    'jobs.cancel': 'cancel',
    'jobs.create': 'build',
    'jobs.prioritise': 'prioritise',
    'line.start': 'line',
    'line.stop': 'line',
    'projects.add': 'addProject',
    'projects.configure': 'settings',
    'quarantines.lift': 'liftQuarantine',
    'retention.sweep': 'collect',
    'tokens.create': 'createToken',
    'tokens.revoke': 'revokeToken',
    'webhooks.secret': 'webhookSecret',
    'workers.drain': 'drain',
    'workers.resume': 'drain',
  };
  const renderer = fileURLToPath(new URL('..', import.meta.url));
  const deeds = readdirSync(renderer, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.test.ts'))
    .flatMap((file) => {
      const text = readFileSync(`${renderer}/${file}`, 'utf8');
      const called = text.matchAll(/\bapi\.(\w+\.\w+)\.mutationOptions|\bclient\.(\w+\.\w+)\.mutate\b/g);
      return [...called].map(([, inHook, direct]) => ({ deed: (inHook ?? direct)!, file, text }));
    });

  it.each(deeds)('$deed is shown with its line, in $file', ({ deed, text }) => {
    expect(Object.keys(cli), `${deed} has no line`).toContain(lineOf[deed]);
    expect(text.includes(`cli.${lineOf[deed]}(`), `cli.${lineOf[deed]} is not shown`).toBe(true);
  });

  it('is looked at', () => {
    expect(deeds.length).toBeGreaterThan(30);
  });
});
