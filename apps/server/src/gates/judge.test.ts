import { settingsOf } from '@starling/shared/project-settings.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GateFacts, judge, mayBegin, mayRunTasks, refusalIn, type Voice } from './judge.ts';

const nowMs = Date.parse('2026-11-21T12:00Z');
const frozen = { id: 7, project: null, reason: 'holidays', startsAt: new Date(0), endsAt: null, weekly: null };
const voice = (approver: string, more: Partial<Voice> = {}): Voice => ({
  approver,
  decision: 'APPROVED',
  comment: '',
  mayApprove: true,
  isAuthor: false,
  ...more,
});
const facts = (more: Partial<GateFacts> = {}, settings: unknown = {}): GateFacts => ({
  kind: 'DEPLOY',
  requestedBy: 'ada',
  hotfix: false,
  whenBusy: 'REFUSE',
  settings: settingsOf(settings),
  voices: [],
  freezes: [],
  stopped: undefined,
  ahead: [],
  review: undefined,
  tasks: { state: 'none', detail: '' },
  ...more,
});
const twoApprovals = { approvals: { needed: 2 } };
const shown = (given: GateFacts) =>
  judge(given, nowMs).map(({ gate, status, detail }) => `${gate} ${status}: ${detail}`);

describe('the gates of a deployment', () => {
  it('are none where nothing is set', () => {
    expect(judge(facts(), nowMs)).toEqual([]);
    expect(mayBegin([])).toBe(true);
  });

  it.each([
    ['nobody', [], 'WAITING: 0 of 2 approvals'],
    ['one', [voice('eve')], 'WAITING: 1 of 2 approvals by eve'],
    ['two', [voice('eve'), voice('bob')], 'PASSED: 2 of 2 approvals by eve, bob'],
    [
      'the one who asked for it',
      [voice('ada'), voice('bob')],
      'WAITING: 1 of 2 approvals by bob; ada asked for it, so their own approval does not count',
    ],
    [
      'the author of the commit',
      [voice('eve', { isAuthor: true }), voice('bob')],
      'WAITING: 1 of 2 approvals by bob; eve wrote the commit, so their approval does not count',
    ],
    [
      'somebody who may no longer',
      [voice('eve', { mayApprove: false }), voice('bob')],
      'WAITING: 1 of 2 approvals by bob; eve may not approve here',
    ],
    [
      'one against it',
      [voice('eve'), voice('bob'), voice('zoe', { decision: 'REJECTED', comment: 'not today' })],
      'REFUSED: rejected by zoe: not today',
    ],
    ['the one who asked, against it', [voice('ada', { decision: 'REJECTED' })], 'REFUSED: rejected by ada'],
    [
      'somebody against it who may not say',
      [voice('eve', { decision: 'REJECTED', mayApprove: false })],
      'WAITING: 0 of 2 approvals; eve may not approve here',
    ],
  ])('with two approvals needed and %s', (_, voices, expected) => {
    expect(shown(facts({ voices }, twoApprovals))).toEqual([`approvals ${expected}`]);
  });

  it('count only the people who are named', () => {
    const settings = { approvals: { needed: 1, from: ['bob'] } };
    expect(shown(facts({ voices: [voice('eve')] }, settings))).toEqual([
      'approvals WAITING: 0 of 1 approvals; eve may not approve here',
    ]);
    expect(mayBegin(judge(facts({ voices: [voice('bob')] }, settings), nowMs))).toBe(true);
  });

  it('hold it in a freeze, but for a hotfix', () => {
    expect(shown(facts({ freezes: [frozen] }))).toEqual([
      'freeze WAITING: freeze 7 (holidays) holds until it is lifted',
    ]);
    expect(shown(facts({ freezes: [frozen], hotfix: true }))).toEqual([
      'freeze BYPASSED: a hotfix passes freeze 7 (holidays)',
    ]);
  });

  it('let it wait its turn', () => {
    const ahead = [
      { id: 3, status: 'RUNNING' as const },
      { id: 4, status: 'WAITING' as const },
    ];
    expect(shown(facts({ ahead, whenBusy: 'QUEUE' }))).toEqual([
      'queue WAITING: deployment 3 is running, and 1 wait before it (4)',
    ]);
    expect(shown(facts({ ahead, whenBusy: 'REPLACE' }))).toEqual([]);
  });

  it('run the tasks when nothing else is left, and refuse when one fails', () => {
    const settings = { tasks: { before: [{ type: 'command', name: 'migrate', command: 'true' }] } };
    const waiting = judge(facts({ tasks: { state: 'waiting', detail: '' }, freezes: [frozen] }, settings), nowMs);
    expect(mayRunTasks(waiting)).toBe(false);
    const alone = judge(facts({ tasks: { state: 'waiting', detail: '' } }, settings), nowMs);
    expect([mayRunTasks(alone), mayBegin(alone)]).toEqual([true, false]);
    const failed = judge(facts({ tasks: { state: 'failed', detail: 'the task "migrate" failed' } }, settings), nowMs);
    expect(refusalIn(failed)).toMatchObject({ gate: 'tasks', detail: 'the task "migrate" failed' });
  });

  it('do not keep a rollback waiting, unless approvals are asked for it too', () => {
    const settings = {
      review: { require: 'approved' },
      approvals: { needed: 1 },
      tasks: { before: [{ type: 'command', name: 'migrate', command: 'true' }] },
    };
    expect(judge(facts({ kind: 'ROLLBACK', freezes: [frozen] }, settings), nowMs)).toEqual([]);
    const insisting = { approvals: { needed: 1, rollbacks: true } };
    expect(shown(facts({ kind: 'ROLLBACK' }, insisting))).toEqual(['approvals WAITING: 0 of 1 approvals']);
  });

  it('never let anything begin with a gate that is not passed', () => {
    const anyFacts = fc.record({
      kind: fc.constantFrom('DEPLOY' as const, 'ROLLBACK' as const),
      hotfix: fc.boolean(),
      whenBusy: fc.constantFrom('REFUSE' as const, 'QUEUE' as const, 'REPLACE' as const),
      freezes: fc.constantFrom([], [frozen]),
      ahead: fc.constantFrom([], [{ id: 1, status: 'RUNNING' as const }]),
      review: fc.constantFrom(
        undefined,
        { state: 'passed' as const, detail: '' },
        { state: 'waiting' as const, detail: '' },
      ),
      voices: fc.uniqueArray(
        fc.record({
          approver: fc.constantFrom('ada', 'bob', 'eve', 'zoe'),
          decision: fc.constantFrom('APPROVED' as const, 'REJECTED' as const),
          comment: fc.constant(''),
          mayApprove: fc.boolean(),
          isAuthor: fc.boolean(),
        }),
        { selector: ({ approver }) => approver },
      ),
    });
    const anySettings = fc.record({
      approvals: fc.record({ needed: fc.integer({ min: 0, max: 3 }), rollbacks: fc.boolean() }),
      review: fc.record({ require: fc.constantFrom('none', 'approved') }),
    });
    fc.assert(
      fc.property(anyFacts, anySettings, (given, settings) => {
        const all = facts(given, settings);
        if (!mayBegin(judge(all, nowMs))) return;
        const { needed, rollbacks } = all.settings.approvals;
        const forward = all.kind === 'DEPLOY';
        const counting = all.voices.filter(
          (one) => one.decision === 'APPROVED' && one.mayApprove && !one.isAuthor && one.approver !== 'ada',
        );
        if (forward || rollbacks) expect(counting.length).toBeGreaterThanOrEqual(needed);
        if ((forward || rollbacks) && needed > 0)
          expect(all.voices.some((one) => one.decision === 'REJECTED' && one.mayApprove)).toBe(false);
        if (forward && all.settings.review.require !== 'none') expect(all.review?.state).toBe('passed');
        if (forward && all.freezes.length > 0) expect(all.hotfix).toBe(true);
        if (all.ahead.length > 0) expect(all.whenBusy).toBe('REPLACE');
      }),
    );
  });

  it('wait for a stopped line, unless they go back or are a hotfix', () => {
    const stopped = { reason: 'errors at the till', stoppedBy: 'eve' };
    const line = 'the line, which eve stopped (errors at the till)';
    expect(shown(facts({ stopped }))).toEqual([`line WAITING: waits for ${line}`]);
    expect(shown(facts({ stopped, kind: 'ROLL_FORWARD', whenBusy: 'REPLACE' }))).toHaveLength(1);
    expect(shown(facts({ stopped, kind: 'ROLLBACK' }))).toEqual([]);
    const hotfix = facts({ stopped, hotfix: true });
    expect(shown(hotfix)).toEqual([`line BYPASSED: a hotfix passes ${line}`]);
    expect(mayBegin(judge(hotfix, nowMs))).toBe(true);
  });
});
