import { settingsOf } from '@starling/shared/project-settings.ts';
import { describe, expect, it } from 'vitest';
import { draftOf, durationText, emptyTask, labelsOf, problemsIn, writtenOf } from './settings-draft.ts';

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
        // The form does not show checks, and must not lose them.
        analysis: [{ name: 'errors', http: 'https://checks.example.org/ok' }],
      },
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
    draft.triggers.push({ row: 1, on: 'push', branches: '', paths: '' });
    const problems = problemsIn(writtenOf(draft, {}));
    expect([...problems.keys()].toSorted()).toEqual([
      'approvals.needed',
      'builds.priority',
      'retention.keepFor',
      'rollout.errorCap',
      'rollout.waves.0',
      'tasks.after.0.url',
      'triggers.0.branches',
    ]);
    expect(problems.get('retention.keepFor')).toContain('expected a duration such as "10s"');
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
