import { describe, expect, it } from 'vitest';
import { parseRecipe } from './recipe.ts';
import { describeWave, planRollout, reachOf, rolloutSettings, type WrittenRolloutSettings } from './rollout-plan.ts';

const plan = (regions: string[], ...layers: WrittenRolloutSettings[]) =>
  planRollout(
    layers.map((layer) => rolloutSettings.parse(layer)),
    regions,
  );
const shown = (...args: Parameters<typeof plan>) =>
  plan(...args).waves.map((wave) => `${describeWave(wave)}, ${wave.bakeMs / 1_000} s`);
/** A share is said as it is asked for. */
const reach = (made: ReturnType<typeof plan>, count: number) => reachOf(made, count, ['eu', 'us'], (_, share) => share);

describe('the plan of a rollout', () => {
  it('is one wave of everyone where nothing is written', () => {
    expect(plan(['eu'])).toEqual({
      waves: [{ fraction: 1, labels: null, regions: null, bakeMs: 0 }],
      successThreshold: 0.95,
      errorThreshold: 0.02,
      errorCap: 50,
      minimumReported: 20,
      progressDeadlineMs: 600_000,
      autoRevert: true,
    });
  });

  it('ends with everyone, whatever was left out or comes after', () => {
    expect(shown(['eu'], { waves: [{ fraction: '10%', bakeTime: '5m' }], bakeTime: '1m' })).toEqual([
      '10 %, 300 s',
      'everyone, 60 s',
    ]);
    expect(shown(['eu'], { waves: [{ fraction: 1 }, { fraction: 0.5 }] })).toEqual(['everyone, 0 s']);
  });

  it('takes each field from the last layer that has it', () => {
    const ofBuild = { waves: [{ fraction: 0.1 }], errorCap: 7, bakeTime: '1m' };
    const made = plan(['eu'], ofBuild, { waves: [{ labels: { group: 'canary' } }] }, { bakeTime: '2s' });
    expect(made).toMatchObject({ errorCap: 7, waves: [{ labels: { group: 'canary' }, bakeMs: 2_000 }, {}] });
  });

  it('goes region by region through all waves', () => {
    const made = plan(['eu', 'us'], { order: 'region-by-region', waves: [{ fraction: 0.5 }] });
    expect(made.waves.map(describeWave)).toEqual(['50 % in eu', 'everyone in eu', '50 % in us', 'everyone']);
    expect([1, 2, 3, 4].map((count) => reach(made, count))).toEqual([
      { eu: { fraction: 0.5 } },
      { eu: { fraction: 1 } },
      { eu: { fraction: 1 }, us: { fraction: 0.5 } },
      null,
    ]);
  });

  it('adds wave to wave: labels stay reached when a share comes', () => {
    const made = plan(['eu', 'us'], {
      waves: [{ labels: { group: 'canary' } }, { fraction: 0.1 }, { regions: ['us'] }],
    });
    expect([1, 2, 3].map((count) => reach(made, count))).toEqual([
      { eu: { fraction: 0, selectors: [{ group: 'canary' }] }, us: { fraction: 0, selectors: [{ group: 'canary' }] } },
      {
        eu: { fraction: 0.1, selectors: [{ group: 'canary' }] },
        us: { fraction: 0.1, selectors: [{ group: 'canary' }] },
      },
      { eu: { fraction: 0.1, selectors: [{ group: 'canary' }] }, us: { fraction: 1 } },
    ]);
  });

  it.each([
    [{ waves: [{}] }, 'needs a "fraction", "labels" or "regions"'],
    [{ waves: [{ fraction: 0.1, labels: { a: 'b' } }] }, 'make it two waves'],
    [{ waves: [{ fraction: 0 }] }, 'must be more than 0'],
    [{ waves: [{ fraction: '120%' }] }, 'at most 100 %'],
    [{ waves: [{ labels: {} }] }, 'at least one label'],
    [{ order: 'region-by-region', waves: [{ regions: ['eu'] }] }, 'does not go with the order'],
  ])('refuses %j', (written, message) => {
    const parsed = rolloutSettings.safeParse(written);
    expect(JSON.stringify(parsed.error?.issues).replaceAll('\\"', '"')).toContain(message);
  });
});

describe('rollout in starling.yml', () => {
  const file = (rollout: string) => `version: 1\nbuild: {command: make, artifact: out}\n${rollout}`;

  it('is kept as it is written, so that a later Starling reads it again', () => {
    const written = { waves: [{ fraction: '5%', bakeTime: '10m' }], autoRevert: false };
    expect(parseRecipe(file(`rollout: ${JSON.stringify(written)}`)).rollout).toEqual(written);
    expect(parseRecipe(file('')).rollout).toBeNull();
  });

  it('is refused with its line', () => {
    expect(() => parseRecipe(file('rollout:\n  waves:\n    - fraction: 2'))).toThrow(
      /line 5: rollout\.waves\.0\.fraction: /,
    );
  });
});
