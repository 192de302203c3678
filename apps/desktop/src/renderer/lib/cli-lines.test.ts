import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
