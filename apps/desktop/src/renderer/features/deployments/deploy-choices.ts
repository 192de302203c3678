import type { WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';

/** Ways to reach the machines that whoever deploys can choose instead of what the build and the project say. */
export const waveChoices = [
  { value: 'as-set', text: 'As the project and its starling.yml say', rollout: {}, waves: [] as string[] },
  {
    value: 'careful',
    text: 'Carefully: 1 %, 10 %, then all, baking 10 minutes each',
    rollout: {
      order: 'all-at-once',
      waves: [
        { fraction: '1%', bakeTime: '10m' },
        { fraction: '10%', bakeTime: '10m' },
      ],
    },
    waves: ['1%/10m', '10%/10m'],
  },
  {
    value: 'by-region',
    text: 'Region by region',
    rollout: { order: 'region-by-region' },
    waves: [] as string[],
  },
  {
    value: 'at-once',
    text: 'All machines at once',
    rollout: { order: 'all-at-once', waves: [] },
    waves: [] as string[],
  },
] as const satisfies readonly {
  value: string;
  text: string;
  rollout: WrittenRolloutSettings;
  waves: readonly string[];
}[];
export type WaveChoice = (typeof waveChoices)[number]['value'];
