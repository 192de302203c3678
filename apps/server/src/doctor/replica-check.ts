import { formatDuration } from '@starling/shared/durations.ts';
import { good, warn } from '@starling/shared/findings.ts';
import type { ReplicaState } from '../db/reader.ts';
import type { Check } from './run-checks.ts';

const check = 'replica';

/** What is known of the replica that reads go to; no check where there is none. */
export function replicaCheck(replica: () => ReplicaState | undefined): Check[] {
  if (!replica()) return [];
  return [
    {
      name: check,
      fix: 'Check DATABASE_READ_URL.',
      look: async () => {
        const state = replica();
        if (state?.status === 'in use')
          return good(check, `in use, ${formatDuration(state.lagMs ?? 0)} behind at most`);
        return warn(
          check,
          `It is ${state?.status} since ${state?.since.toISOString()}: ${state?.why}. The primary answers for it.`,
          'Check DATABASE_READ_URL, and pg_stat_replication on the primary.',
        );
      },
    },
  ];
}
