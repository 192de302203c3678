import { describe, expect, it } from 'vitest';
import { attentionOf } from './attention.ts';

const last = (id: number, status: string) => ({ id, project: 'shop', status });

describe('attentionOf', () => {
  it.each([
    [[], 'quiet', 'nothing is being deployed'],
    [[last(1, 'SUCCEEDED'), last(2, 'ABORTED')], 'quiet', 'nothing is being deployed'],
    [[last(3, 'RUNNING')], 'busy', 'deployment 3 of shop under way'],
    [[last(3, 'RUNNING'), last(4, 'WAITING')], 'busy', '2 deployments under way'],
    [[last(5, 'FAILED'), last(6, 'RUNNING')], 'failed', 'deployment 5 of shop failed'],
  ])('of %j is %s', (deployments, state, text) => {
    expect(attentionOf(deployments)).toEqual({ state, text });
  });
});
