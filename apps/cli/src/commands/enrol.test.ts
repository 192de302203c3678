import { expect, test } from 'vitest';
import { at } from '../testing/samples.ts';
import { StubbedCli } from '../testing/stubbed-cli.ts';

const stub = new StubbedCli();
const { starling } = stub;

const invitation = { id: 7, kind: 'agent', region: 'eu', usesLeft: 3, createdBy: 'ada', createdAt: at, expiresAt: at };

test('enrol prints the token alone on stdout, and what it is good for beside it', async () => {
  stub.server.answers['identities.invite'] = () => ({ ...invitation, token: 'stl_secret' });
  const run = await starling('enrol', 'agent', '--region', 'eu', '--uses', '10000', '--expires', '90m');
  expect([run.exitCode, run.stdout]).toEqual([0, 'stl_secret\n']);
  expect(run.stderr).toContain('It lets 10000 agents in within 1 h 30 m');
  expect(run.stderr).not.toContain('stl_secret');
  await starling('enrol', 'worker', '--json');
  expect(stub.server.calls.map(({ input }) => input)).toEqual([
    { kind: 'agent', region: 'eu', uses: 10_000, expiresInHours: 1.5 },
    { kind: 'worker', uses: 1, expiresInHours: 24 },
  ]);
});

test.each([
  [['enrol', 'hub'], '--region'],
  [['enrol', 'agent', '--region', 'eu', '--uses', '100001'], 'at most 100000'],
  [['enrol', 'worker', '--expires', '31d'], 'at most 30d'],
  [['enrol', 'worker', '--expires', 'soon'], 'a duration such as'],
  [['identity', 'revoke', 'robot', 'r2'], 'hub, worker, agent'],
])('%j is refused before anybody is asked', async (words, why) => {
  const run = await starling(...words);
  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain(why);
  expect(stub.server.calls).toEqual([]);
});

test('enrol list shows what still lets somebody in, and withdraw ends it', async () => {
  stub.server.answers['identities.invitations'] = () => [invitation];
  stub.server.answers['identities.withdraw'] = () => ({ id: 7, withdrawn: true });
  expect((await starling('enrol', 'list')).stdout).toMatch(/7 +agent +eu +3 +expired +by ada, /);
  expect((await starling('enrol', 'withdraw', '7')).stdout).toBe('Token 7 lets nobody in any more.\n');
});

test('identities pages through all of them, and says when there are more', async () => {
  const rows = Array.from({ length: 700 }, (_, index) => ({
    kind: 'agent',
    name: `m${String(index).padStart(3, '0')}`,
    region: 'eu',
    enrolledAt: at,
    invitation: 7,
    revokedAt: index === 0 ? at : null,
    revokedBy: index === 0 ? 'ada' : null,
  }));
  stub.server.answers['identities.list'] = ({ after, limit }: { after?: string; limit: number }) => {
    const from = after ? rows.findIndex(({ kind, name }) => `${kind}/${name}` === after) + 1 : 0;
    return rows.slice(from, from + limit);
  };
  const all = await starling('identities', '--kind', 'agent', '--limit', '1000', '--json');
  expect(JSON.parse(all.stdout)).toEqual(rows);
  const some = await starling('identities', '--limit', '2');
  expect(some.stdout).toMatch(/agent +m000 +eu +▲ revoked by ada .* ago +.* ago, token 7/);
  expect(some.stdout).not.toContain('m002');
  expect(some.stderr).toContain('There are more');
});

test('identity revoke says who is shut out, and how to end the token it came in with', async () => {
  stub.server.answers['identities.revoke'] = () => ({
    kind: 'agent',
    name: 'm1',
    revoked: true,
    openInvitation: invitation,
  });
  const run = await starling('identity', 'revoke', 'agent', 'm1');
  expect(run.stdout).toBe('The agent m1 is shut out.\n');
  expect(run.stderr).toContain('lets 3 more in; to end that: starling enrol withdraw 7');
  expect(stub.server.calls[0]?.input).toEqual({ kind: 'agent', name: 'm1' });
});
