import { settingsOf } from '@starling/shared/project-settings.ts';
import { describe, expect, it } from 'vitest';
import { emptyCheck } from './check-draft.ts';
import { durationText, labelsOf } from './draft-texts.ts';
import { emptyMaintenance } from './maintenance-draft.ts';
import { draftOf, emptyTask, problemsIn, writtenOf } from './settings-draft.ts';

describe('the form of a project’s settings', () => {
  it('writes back what was set, and nothing that has its default', () => {
    const written = {
      builds: { maxConcurrent: 3, workerLabels: { os: 'linux' } },
      retention: { keepFor: '30d' },
      approvals: { needed: 2, from: ['ada', 'eve'] },
      rollout: {
        waves: [
          { labels: { group: 'canary' }, bakeTime: '10m' },
          { labels: { group: 'early', rack: 'r1' }, regions: ['eu', 'us'] },
          { fraction: '10%', regions: ['eu', 'us'] },
          { regions: ['ap'] },
        ],
        errorThreshold: 0.05,
        autoRevert: false,
        analysis: [
          { name: 'answers', http: 'https://checks.example.org/ok' },
          {
            name: 'errors',
            prometheus: 'sum(rate(errors[5m]))',
            condition: '< 0.01',
            failCondition: '> 0.1',
            when: ['before' as const, 'bake' as const],
            interval: '30s',
            count: 5,
            failureLimit: 1,
          },
        ],
      },
      analysis: { prometheus: 'http://prometheus:9090', http: ['https://checks.example.org/'] },
      maintenance: [
        {
          labels: { role: 'till' },
          windows: [{ days: ['sat' as const, 'sun' as const], from: '22:00', to: '04:00', timeZone: 'Europe/Berlin' }],
        },
      ],
      webhooks: { generation: 4 },
      triggers: [{ on: 'push' as const, branches: ['main', 'release/*'], paths: [] }],
      tasks: {
        before: [
          {
            type: 'command' as const,
            name: 'migrate',
            command: './migrate',
            timeout: '10m',
            attempts: 2,
            workerLabels: {},
          },
        ],
      },
    };
    expect(writtenOf(draftOf(settingsOf(written)), written)).toEqual(written);
    expect(writtenOf(draftOf(settingsOf({})), {})).toEqual({});
  });

  it('says at which field something is wrong, with the words of the server’s schema', () => {
    const draft = draftOf(settingsOf({}));
    draft.approvals.needed = 'many';
    draft.retention.keepFor = 'a while';
    draft.builds.priority = '';
    draft.tasks.after.push({ ...emptyTask('webhook'), name: 'tell', url: 'ftp://x' });
    draft.rollout.waves.push({ row: 2, who: '300%', bakeTime: '' });
    draft.rollout.errorCap = 'few';
    draft.checks = {
      ...draft.checks,
      from: 'here',
      list: [{ ...emptyCheck('prometheus'), name: 'x', asks: 'up', condition: 'few' }],
    };
    draft.maintenance.push({
      ...emptyMaintenance('UTC'),
      labels: 'role=till',
      windows: 'mon 25:00-26:00 UTC\nwhenever',
    });
    draft.triggers.push({ row: 1, on: 'push', branches: '', paths: '' });
    const problems = problemsIn(writtenOf(draft, {}));
    expect([...problems.keys()].toSorted()).toEqual([
      'approvals.needed',
      'builds.priority',
      'maintenance.0.windows',
      'retention.keepFor',
      'rollout.analysis.0.condition',
      'rollout.errorCap',
      'rollout.waves.0',
      'tasks.after.0.url',
      'triggers.0.branches',
    ]);
    expect(problems.get('retention.keepFor')).toContain('expected a duration such as "10s"');
  });

  it('tells checks of the repository from none at all', () => {
    const none = { rollout: { analysis: [] } };
    expect(writtenOf(draftOf(settingsOf(none)), none)).toEqual(none);
    const draft = draftOf(settingsOf(none));
    draft.checks.from = 'repository';
    expect(writtenOf(draft, none)).toEqual({});
  });

  it('says durations by the largest unit that is exact, as they are typed', () => {
    expect([0, 250, 90_000, 600_000, 1_209_600_000].map(durationText)).toEqual(['0s', '250ms', '90s', '10m', '14d']);
  });

  it('reads labels as people write them', () => {
    expect(labelsOf(' os=linux,arch = x64\n url=a=b ,, gpu')).toEqual({
      os: 'linux',
      arch: 'x64',
      url: 'a=b',
      gpu: '',
    });
  });
});
