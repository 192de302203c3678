import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DeploymentFact, statementFor } from './desired-key.ts';

let id = 0;
const fact = (
  build: string,
  status: DeploymentFact['status'],
  kind: DeploymentFact['kind'] = 'DEPLOY',
): DeploymentFact => ({
  id: ++id,
  kind,
  status,
  build,
  manifestDigest: 'd'.repeat(64),
  salt: 'salt',
  reach: null,
  held: false,
  passesWindows: kind === 'ROLLBACK',
});
const builds = (newestFirst: DeploymentFact[]) => {
  const { stable, candidate } = statementFor(newestFirst, 'eu', []);
  return { stable: stable?.build ?? null, candidate: candidate?.build ?? null };
};

describe('what the keys must say', () => {
  it('says when machines may be touched, and which deployments do not wait for that', () => {
    const window = { days: ['sun' as const], from: '01:00', to: '05:00', timeZone: 'UTC' };
    const rules = [{ labels: { role: 'till' }, windows: [window] }];
    const good = fact('a', 'SUCCEEDED');
    const next = fact('b', 'RUNNING');
    expect(statementFor([next, good], 'eu', []).maintenance).toBeUndefined();
    expect(statementFor([next, good], 'eu', [], rules).maintenance).toEqual({ rules, passes: [] });
    const hotfix = { ...next, passesWindows: true };
    expect(statementFor([hotfix, good], 'eu', [], rules).maintenance).toEqual({ rules, passes: [hotfix.id] });
    const back = fact('a', 'RUNNING', 'ROLLBACK');
    expect(statementFor([back, next, good], 'eu', [], rules).maintenance?.passes).toEqual([back.id]);
  });

  it.each([
    ['before the first deployment', [], { stable: null, candidate: null }],
    ['during the first', [fact('a', 'RUNNING')], { stable: null, candidate: 'a' }],
    ['after the first failed', [fact('a', 'FAILED')], { stable: null, candidate: null }],
    ['after a success', [fact('a', 'SUCCEEDED')], { stable: 'a', candidate: null }],
    ['during an update', [fact('b', 'RUNNING'), fact('a', 'SUCCEEDED')], { stable: 'a', candidate: 'b' }],
    ['after a failed update', [fact('b', 'FAILED'), fact('a', 'SUCCEEDED')], { stable: 'a', candidate: null }],
    ['after an aborted update', [fact('b', 'ABORTED'), fact('a', 'SUCCEEDED')], { stable: 'a', candidate: null }],
    [
      'a rollback is stable at once',
      [fact('a', 'RUNNING', 'ROLLBACK'), fact('b', 'SUCCEEDED')],
      { stable: 'a', candidate: null },
    ],
    [
      'a rollback holds although some machines failed',
      [fact('a', 'FAILED', 'ROLLBACK'), fact('b', 'SUCCEEDED')],
      { stable: 'a', candidate: null },
    ],
    [
      'an aborted rollback is undone',
      [fact('a', 'ABORTED', 'ROLLBACK'), fact('b', 'SUCCEEDED')],
      { stable: 'b', candidate: null },
    ],
    [
      'a roll-forward is a deployment like any',
      [fact('b', 'RUNNING', 'ROLL_FORWARD'), fact('a', 'SUCCEEDED', 'ROLLBACK')],
      { stable: 'a', candidate: 'b' },
    ],
  ] as const)('%s', (_, newestFirst, expected) => {
    expect(builds([...newestFirst])).toEqual(expected);
  });

  it('say that a candidate is held, and nothing of it when it is let go', () => {
    const running = fact('b', 'RUNNING');
    const candidateOf = (held: boolean) =>
      statementFor([{ ...running, held }, fact('a', 'SUCCEEDED')], 'eu', []).candidate;
    expect(candidateOf(true)).toMatchObject({ build: 'b', held: true });
    expect(candidateOf(false)).not.toHaveProperty('held');
  });

  it('names what waits to be fetched ahead: the newest two, nothing twice, no target and nothing in quarantine', () => {
    const waits = (build: string) => ({ build, manifestDigest: build.repeat(64) });
    const facts = [fact('b', 'RUNNING'), fact('a', 'SUCCEEDED')];
    const ahead = (...builds: string[]) =>
      statementFor(facts, 'eu', ['q'], [], builds.map(waits)).prefetch.map(({ build }) => build);
    expect(statementFor(facts, 'eu', []).prefetch).toEqual([]);
    expect(ahead('e', 'd', 'c')).toEqual(['e', 'd']);
    expect(ahead('e', 'e', 'q', 'b', 'a', 'c')).toEqual(['e', 'c']);
    expect(statementFor([], 'eu', [], [], [waits('c')])).toMatchObject({
      stable: null,
      candidate: null,
      prefetch: [waits('c')],
    });
  });

  it('never takes away what is stable while anything ever succeeded', () => {
    const anyFact = fc.record({
      build: fc.constantFrom('a', 'b', 'c'),
      status: fc.constantFrom('RUNNING', 'SUCCEEDED', 'FAILED', 'ABORTED', 'SUPERSEDED') as fc.Arbitrary<
        DeploymentFact['status']
      >,
      kind: fc.constantFrom('DEPLOY', 'ROLLBACK', 'ROLL_FORWARD') as fc.Arbitrary<DeploymentFact['kind']>,
    });
    fc.assert(
      fc.property(fc.array(anyFact, { maxLength: 8 }), (history) => {
        const facts = history.map(({ build, status, kind }) => fact(build, status, kind)).reverse();
        const { stable, candidate } = statementFor(facts, 'eu', []);
        if (facts.some(({ status }) => status === 'SUCCEEDED')) expect(stable).not.toBeNull();
        if (candidate) expect(facts[0]).toMatchObject({ id: candidate.deployment, status: 'RUNNING' });
      }),
    );
  });
});
